"""Licensed lofi music in, scored ACE-Step LoRAs out, with the licence trail in between."""

import logging

# diffusers 0.42 says at each import that torchao 0.17 lacks what quantised checkpoints need, and there are none here
logging.getLogger("diffusers.quantizers.torchao.torchao_quantizer").setLevel(logging.ERROR)


__version__ = "0.1.0"
