"""What an audit can find: how much it weighs, its code for machines with what it means, and a sentence for people.

What else an audit reports is in entities/audit.py; where each code is found is in audit/findings.py and audit/integrity/.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from lofi_pipeline.entities.base import Entity


class Severity(StrEnum):
    """How much a finding weighs. With an error the audit is not clean."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class FindingCode(StrEnum):
    """Every kind of finding, with what it means and what to do. The values stand in report.json and never change."""

    description: str
    """What was found, in one sentence."""
    advice: str
    """What to do about it."""

    def __new__(cls, value: str, description: str, advice: str) -> FindingCode:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description, member.advice = description, advice
        return member

    # Licences and sources
    NOT_PERMITTED_THEN = (
        "not-permitted-then",
        "A source did not permit AI training on the day of training.",
        "Withdraw the source, and train anew without it.",
    )
    NOT_PERMITTED_NOW = (
        "not-permitted-now",
        "A source permitted AI training on the day of training, and does not today.",
        "Renew the licence or grant; else withdraw the source, and train anew without it.",
    )
    NOT_COMMERCIAL_NOW = (
        "not-commercial-now",
        "A source permitted commercial use on the day of training, and does not today.",
        "Stop commercial use, renew the licence, or train anew without the source.",
    )
    SOURCE_WITHDRAWN = (
        "source-withdrawn",
        "A source that fed the subject was withdrawn since.",
        "Train anew on a data set version without it, and stop publishing what was trained with it.",
    )
    WITHDRAWN_CONTENT = (
        "withdrawn-content",
        "A track holds the bytes of a withdrawn source's track under another source's name.",
        "Train anew without the track.",
    )
    WITHDRAWN_COPY = (
        "withdrawn-copy",
        "A track is the same recording as a withdrawn one, or holds a part of it.",
        "Train anew without the track; the sentence names the recordings, and how sure it is that they are one.",
    )
    STRICTER_TERMS = (
        "stricter-terms",
        "A track's recording also came under stricter terms than those that it was taken under, refused ones among them.",
        "Train anew without the track, or say in its source.json what it `supersedes`, with a document that proves it.",
    )
    SOURCE_UNKNOWN = (
        "source-unknown",
        "Tracks name a source of which the data set version keeps no record.",
        "Look up where the tracks came from, and build the data set again.",
    )
    POLICY_CHANGED = (
        "policy-changed",
        "The licence policy or its settings changed since the day of training.",
        "Read what changed for the source; nothing else is to be done.",
    )
    VERDICT_NOT_RECORDED = (
        "verdict-not-recorded",
        "The version keeps no verdict of a source: the day of training was judged by today's policy.",
        "Nothing; versions that are built now keep their verdicts.",
    )
    COST_UNKNOWN = (
        "cost-unknown",
        "What a source cost is not on record.",
        "Write `cost` into its source.json, for the next version.",
    )
    NOT_VERIFIED = (
        "not-verified",
        "Nobody is named who verified the licence of a source.",
        "Write `verified_by` into its source.json.",
    )
    LICENCE_VERSION_UNKNOWN = (
        "licence-version-unknown",
        "The licence of a source does not say which version it is.",
        "Write the version into `license_type` of its source.json; attribution should name it.",
    )
    ATTRIBUTION_INCOMPLETE = (
        "attribution-incomplete",
        "Tracks ask for attribution and have no title or no artist.",
        "Write title and artist into the source.json of their source.",
    )
    CLAIMED_TWICE = (
        "claimed-twice",
        "Several sources with different licences brought the same track; the strictest licence was taken.",
        "Look which of them may license it, and withdraw the other.",
    )
    GRANT_NOT_ACCEPTED = (
        "grant-not-accepted",
        "A grant limits what may be done, or something written beside a licence contradicts it, and nobody has accepted that.",
        "Read the term; if it is met, accept it by name in source.json under `accepted`, else withdraw the source.",
    )
    TERMS_ACCEPTED = (
        "terms-accepted",
        "A named person accepted terms of a source.",
        "Nothing; the sentence says who, when and why.",
    )
    CLAUSE_DENIES = (
        "clause-denies",
        "A quoted clause of a grant denies what the grant says.",
        "Read the document; quote the clause that grants the training, or withdraw the source.",
    )
    EVIDENCE_IS_NONE = (
        "evidence-is-none",
        "A document that a grant rests on is empty, blank, something else, or does not open as what it says it is.",
        "Put the document itself into the drop, and name it under `grant.evidence`; else withdraw the source.",
    )
    EVIDENCE_DENIES = (
        "evidence-denies",
        "A document of evidence holds words against training.",
        "Read the sentence in the document; withdraw the source if it means what is done here.",
    )
    EVIDENCE_WITHOUT_LICENSOR = (
        "evidence-without-licensor",
        "The licensor's name does not stand in the document of evidence.",
        "Check that it is the right document; write the name as it stands there into grant.evidence.licensor.",
    )
    EVIDENCE_UNREADABLE = (
        "evidence-unreadable",
        "The text of a document of evidence could not be read, such as that of a scanned page or an encrypted PDF.",
        "Read it yourself; a copy with text can be searched.",
    )
    EVIDENCE_SHARED = (
        "evidence-shared",
        "The same document is the evidence of two licensors.",
        "Check that it names both; give each source its own document.",
    )
    LICENCE_CONTRADICTED = (
        "licence-contradicted",
        "Something else names another licence than `license_type`: url, notes, or a tag of a file.",
        "Find out which holds, and correct source.json; until then the stricter holds.",
    )
    CREDENTIALS_NOT_READ = (
        "credentials-not-read",
        "A file holds content credentials (C2PA) that could not be read, or that do not fit the file; they may say what its use for training is.",
        "Look at them with `c2patool` or at https://contentcredentials.org/verify.",
    )
    # Checkpoint and base model
    ORIGIN_UNKNOWN = (
        "origin-unknown",
        "The LoRA was trained elsewhere: what it was trained on, and who allowed it, cannot be proved.",
        "Ask whoever made it; until it is proved, do not publish it, or what it generates, as licensed.",
    )
    STARTED_FROM = (
        "started-from",
        "The training went on from another LoRA: what that was trained on fed this one as well, and is counted in here.",
        "Nothing, where all of it is permitted; to be without it, train from the base.",
    )
    BASE_LICENCE_UNKNOWN = (
        "base-licence-unknown",
        "The licence of the base model is on no record.",
        "Look it up, and set `training.base_licence` in pipeline.yaml.",
    )
    BASE_NOT_COMMERCIAL = (
        "base-not-commercial",
        "The project means to use results commercially, and the base model's licence does not permit that.",
        "Ask the owner of the base model for a licence, or train on another base.",
    )
    CHECKPOINT_INVALID = (
        "checkpoint-invalid",
        "The checkpoint is marked as not valid.",
        "Do not publish it; its record says what is wrong with it.",
    )
    CHECKPOINT_PRUNED = (
        "checkpoint-pruned",
        "Retention removed the checkpoint's weights; its record stays.",
        "Nothing.",
    )
    TRAINED_ELSEWHERE = (
        "trained-elsewhere",
        "The checkpoint was trained on another machine, from a bundle that was exported here for this very training.",
        "Nothing. The bundle's files were hashed before it was trained from; what is not proved is what that machine did with them.",
    )
    MEMORISED = (
        "memorised",
        "Samples of the checkpoint repeat music that it was trained on.",
        "Listen to the samples beside the tracks that the sentence names; publish an earlier checkpoint, or train on more music.",
    )
    # Files and records
    FILE_MISSING = (
        "file-missing",
        "A file that a record names is not there.",
        "Take it back from a backup, or make it anew as the sentence says.",
    )
    FILE_CHANGED = (
        "file-changed",
        "A file has another hash than the one on record.",
        "Take the file back from a backup, or make it anew as the sentence says.",
    )
    FILE_UNREADABLE = (
        "file-unreadable",
        "A file is there and can't be read.",
        "Check its permissions and the disk.",
    )
    FILE_FOREIGN = (
        "file-foreign",
        "A checkpoint's folder holds a file that its record does not name.",
        "Look what it is, and remove it.",
    )
    FILE_ORPHAN = (
        "file-orphan",
        "A file lies where the pipeline writes, and no record names it.",
        "Look what it is, and remove it: nothing rests on it.",
    )
    FILE_TEMPORARY = (
        "file-temporary",
        "A temporary file or folder of a process that was killed.",
        "Nothing: the next run removes it, and so does `lofi fsck --repair`.",
    )
    FILE_ELSEWHERE = (
        "file-elsewhere",
        "Files lie in the object store only: they have the hashes that they had when they went there, and were not read.",
        "Give `lofi store pull`, and the command again, to have them read.",
    )
    PATH_OUTSIDE = (
        "path-outside",
        "A recorded path leads out of the data root through a link.",
        "Put the file itself in place of the link.",
    )
    ORIGINAL_CHANGED = (
        "original-changed",
        "An original under raw/ has another hash than the one on record.",
        "Put the licensed file back.",
    )
    ORIGINAL_ABSENT = (
        "original-absent",
        "Originals do not lie under raw/ any more; their hashes stay on record.",
        "Keep them elsewhere, if they may have to be shown.",
    )
    NOT_PUBLISHED = (
        "not-published",
        "Files of this version are not published any more, because a newer version does not have them.",
        "Nothing.",
    )
    REPLACED = (
        "replaced",
        "Published files are those of another data set version now.",
        "Nothing.",
    )
    VERSION_CHANGED = (
        "version-changed",
        "The file of a data set version is not as it was built.",
        "Take it back from a backup: what stands in it now proves nothing.",
    )
    RECORD_BROKEN = (
        "record-broken",
        "A record can't be read.",
        "Take it back from a backup, or have it written anew as the sentence says.",
    )
    RECORD_CHANGED = (
        "record-changed",
        "A record contradicts other records, its own arithmetic or the ledger.",
        "Take it back from a backup, or have it written anew as the sentence says.",
    )
    RECORD_DIFFERS = (
        "record-differs",
        "A track's record says something else than the data set version.",
        "Build the data set again, if the track was worked on again.",
    )
    SOURCE_JSON_CHANGED = (
        "source-json-changed",
        "A source.json was edited since the version was built, or can't be read any more.",
        "Check the edit; what the version keeps stands for the day of training.",
    )
    CLOCK = (
        "clock",
        "The data set version was made on a day that lies ahead of this machine's clock, or licences are judged for such a day.",
        "Set the clock, and audit again; if it is right, take the other day back with `lofi judging-day`.",
    )
    DAY_SET = (
        "day-set",
        "Somebody took the day that licences are judged for back, or confirmed a leap of the clock.",
        "Read who and why; a day that was taken back without need may have revived a grant.",
    )
    # The ledger
    NOT_SEALED = (
        "not-sealed",
        "A record was not entered into the ledger when it was written, such as that of a checkpoint copied in.",
        "Nothing: the first audit that finds it intact enters it.",
    )
    SEALS_BROKEN = (
        "seals-broken",
        "A line of the ledger, seals.jsonl, does not follow from the line before.",
        "Take seals.jsonl back from a backup; until then nothing new is entered.",
    )
    SEALS_CUT = (
        "seals-cut",
        "The ledger, seals.jsonl, is shorter or another one than a later record says.",
        "Take seals.jsonl and withdrawals.json back from a backup.",
    )
    SEALED_TWICE = (
        "sealed-twice",
        "The ledger, seals.jsonl, holds two hashes of a file that is written once.",
        "Somebody wrote to the ledger: take seals.jsonl and the file back from a backup.",
    )


class Finding(Entity):
    """One thing that is not as it should be, and what to do about it."""

    severity: Severity
    code: FindingCode = Field(description='For machines, such as "file-changed"')
    where: str = Field(
        description="The file (relative to the data root), track, source or checkpoint it is about"
    )
    sentence: str = Field(description="For people: what is wrong and what to do")
