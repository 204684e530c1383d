"""A bucket that speaks S3: objects put, fetched and listed, with what goes wrong said in sentences.

Credentials, region and endpoint are boto3's own: environment variables (AWS_ENDPOINT_URL_S3 for another server than Amazon's), profiles,
roles. None of it is read here, written down or shown. Requests that fail on the way, or with 500 or 503, are tried again by
boto3: AWS_MAX_ATTEMPTS says how often (3).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from lofi_pipeline.entities import KeptFile
from lofi_pipeline.offsite.errors import StoreError

URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[^\\\s]*))?")
MARK = ".lofi-store"
"""An object without content, by which it is seen whether the server knows conditions."""
MOST_BYTES = 5 << 30
"""Of an object that is put at once, and so appears whole or not at all."""
_BLOCK_BYTES = 1 << 20
_SMALL = 8 << 20
_TRIES = 3
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "403"})
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CONFLICT = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "BadDigest"})
_AGAIN = "then give the same command again: what was done is kept"


@dataclass(frozen=True)
class Stored:
    """An object: what its metadata say of the file that was put."""

    size: int
    etag: str
    sha256: str | None = None
    """None: somebody else put it."""
    mtime_ns: int | None = None


class Bucket:
    """A place in a bucket. Keys are relative to it."""

    def __init__(self, url: str) -> None:
        found = URL.fullmatch(url)
        if found is None:
            raise StoreError(
                f"{url}: is no place in a bucket; write storage.object_store as s3://BUCKET/PREFIX"
            )
        self.url, self._name = url.rstrip("/"), found["bucket"]
        prefix = (found["prefix"] or "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client: Any = _client()

    def head(self, key: str) -> Stored | None:
        """What an object is; None where there is none."""
        try:
            with self._faults(key):
                try:
                    answer = self._client.head_object(Bucket=self._name, Key=self._prefix + key)
                except self._client.exceptions.ClientError as error:
                    if _code(error) in ("400", "403"):  # such an answer has no body that says more
                        self._client.list_objects_v2(Bucket=self._name, Prefix=self._prefix + key, MaxKeys=1)
                    raise
        except _Absent:
            return None
        said: dict[str, str] = answer.get("Metadata", {})
        time = said.get("mtime-ns", "")
        return Stored(
            size=answer["ContentLength"],
            etag=answer["ETag"],
            sha256=said.get("sha256"),
            mtime_ns=int(time) if re.fullmatch(r"[0-9]{1,19}", time) else None,
        )

    def put(self, key: str, path: Path, facts: KeptFile, *, instead_of: Stored | None) -> bool:
        """Put a file, whole or not at all. False: meanwhile there is another object than `instead_of` (None: any object).

        The server compares what arrived with the hash, so that what was changed on the way, or while it was read, is not kept.
        """
        if facts.size > MOST_BYTES:
            raise StoreError(f"{path}: has more than 5 GB, which cannot be put into a bucket at once")
        condition = {"IfMatch": instead_of.etag} if instead_of else {"IfNoneMatch": "*"}
        with path.open("rb") as file, self._faults(key):
            try:
                self._client.put_object(
                    Bucket=self._name,
                    Key=self._prefix + key,
                    # A log may grow meanwhile: no more is sent than was said
                    Body=file.read(facts.size) if facts.size <= _SMALL else file,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(facts.sha256)).decode(),
                    Metadata={"sha256": facts.sha256, "mtime-ns": str(facts.mtime_ns)},
                    **condition,
                )
            except self._client.exceptions.ClientError as error:
                if _code(error) in _CONFLICT:
                    return False
                raise
        return True

    def require_conditions(self) -> None:
        """Refuse a server that does not know conditions: two who put at once would overwrite each other there.

        Raises:
            StoreError: it put an object where there was one, though it was asked not to.
        """
        with self._faults(MARK):
            for _ in range(2):
                try:
                    self._client.put_object(
                        Bucket=self._name, Key=self._prefix + MARK, Body=b"", IfNoneMatch="*"
                    )
                except self._client.exceptions.ClientError as error:
                    if _code(error) in _CONFLICT:
                        return
                    raise
        raise StoreError(
            f"{self.url}: this server overwrites objects although it is asked not to (If-None-Match); use one that knows such conditions"
        )

    def fetch(self, key: str, target: Path) -> tuple[str, Stored]:
        """Write an object to a file; the hash of what was written, and what the object is. One that is cut off goes on from there.

        Raises:
            StoreError: it is gone, or cannot be fetched.
            OSError: the disk is full, for one.
        """
        there = self.head(key)
        if there is None:
            raise StoreError(f"{self.url}/{key}: is not there any more; look who removed it")
        digest, done = sha256(), 0
        with target.open("wb") as file:
            for left in reversed(range(_TRIES)):
                try:
                    for block in self._blocks(key, there, done):
                        file.write(block)
                        digest.update(block)
                        done += len(block)
                except _CutOff as error:
                    if not left:
                        raise StoreError(
                            f"{self.url}/{key}: broke off after {done} of {there.size} bytes, {_TRIES} times; see to the network, {_AGAIN}"
                        ) from error
                if done >= there.size:
                    break
        return digest.hexdigest(), there

    def _blocks(self, key: str, there: Stored, start: int) -> Iterator[bytes]:
        """The object's bytes from `start` on. Raises: _CutOff, where the connection ends before they do."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError

        if start >= there.size:
            return
        with self._faults(key):
            body = self._client.get_object(
                Bucket=self._name,
                Key=self._prefix + key,
                Range=f"bytes={start}-",
                IfMatch=there.etag,
            )["Body"]
        try:
            while block := body.read(_BLOCK_BYTES):
                yield block
        except (IncompleteReadError, ResponseStreamingError, HTTPClientError) as error:
            raise _CutOff from error

    def keys(self, folder: str) -> Iterator[tuple[str, int]]:
        """The key and size of everything below a folder, as the server lists it now."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._faults(folder):
            for page in pages.paginate(Bucket=self._name, Prefix=f"{self._prefix}{folder}/"):
                for item in page.get("Contents", []):
                    yield item["Key"].removeprefix(self._prefix), item["Size"]

    def delete(self, key: str) -> None:
        """Remove an object; where there is none, nothing is done."""
        with self._faults(key):
            self._client.delete_object(Bucket=self._name, Key=self._prefix + key)

    @contextmanager
    def _faults(self, key: str) -> Iterator[None]:
        """Say in a sentence what the server, the network or the credentials have against it."""
        from botocore import exceptions as faults

        where = f"{self.url}/{key}"
        try:
            yield
        except faults.ClientError as error:
            raise self._refusal(where, error) from error
        except (
            faults.NoCredentialsError,
            faults.PartialCredentialsError,
            faults.CredentialRetrievalError,
            faults.ProfileNotFound,
            faults.SSOError,
            faults.TokenRetrievalError,
            faults.LoginTokenLoadError,
        ) as error:
            raise StoreError(
                f"{self.url}: there are no credentials for it, or they have expired ({error}); sign in anew, {_AGAIN}"
            ) from error
        except (faults.HTTPClientError, faults.ConnectionError) as error:
            raise StoreError(
                f"{where}: the server does not answer ({error}); see to the network and AWS_ENDPOINT_URL_S3, {_AGAIN}"
            ) from error
        except faults.BotoCoreError as error:
            raise StoreError(f"{where}: {error}; {_AGAIN}") from error

    def _refusal(self, where: str, error: Any) -> Exception:
        code = _code(error)
        if code in _ABSENT:
            return _Absent()
        if code in _EXPIRED:
            return StoreError(f"{self.url}: the credentials have expired; renew them, {_AGAIN}")
        if code in _REFUSED:
            return StoreError(
                f"{where}: the server refuses these credentials ({code}); use such as may list, get, put and delete there, {_AGAIN}"
            )
        if code == "NoSuchBucket":
            return StoreError(
                f"{self.url}: there is no bucket {self._name}; make it, or correct storage.object_store"
            )
        if code in _CONFLICT:
            return StoreError(f"{where}: was changed while it was fetched; give the same command again")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?")
        said = error.response.get("Error", {}).get("Message", "")
        return StoreError(
            f"{where}: the server answers {status} {code} ({said}); wait until it is well, {_AGAIN}"
        )


class _Absent(StoreError):
    """There is no such object."""

    def __init__(self) -> None:
        super().__init__("the object is not there any more; give the same command again")


class _CutOff(StoreError):
    """The connection ended before the object did."""


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise StoreError(
            'storage.object_store needs boto3, which is not installed: pip install "lofi-pipeline[s3]"'
        ) from error
    retries: Any = {"mode": "standard"}
    return boto3.client(
        "s3",
        config=Config(
            retries=retries,
            connect_timeout=10,
            read_timeout=60,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
