# What is used here of transformers, from where it lies: its own __init__ has a type checker read all of its 400 models.
from transformers.models.auto.configuration_auto import AutoConfig as AutoConfig
from transformers.models.auto.modeling_auto import AutoModel as AutoModel
from transformers.models.bert.tokenization_bert import BertTokenizer as BertTokenizer
from transformers.models.qwen3.configuration_qwen3 import Qwen3Config as Qwen3Config
from transformers.models.qwen3.modeling_qwen3 import Qwen3Model as Qwen3Model
from transformers.models.roberta.configuration_roberta import RobertaConfig as RobertaConfig
from transformers.models.roberta.modeling_roberta import RobertaModel as RobertaModel
from transformers.models.roberta.tokenization_roberta import RobertaTokenizer as RobertaTokenizer
from transformers.models.wav2vec2_conformer.configuration_wav2vec2_conformer import (
    Wav2Vec2ConformerConfig as Wav2Vec2ConformerConfig,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase as PreTrainedTokenizerBase
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast as PreTrainedTokenizerFast

BartTokenizer = RobertaTokenizer
