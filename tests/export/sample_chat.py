"""The Phi-3 cookbook's OpenVINO chat sample, line by line, on the model folder that is named on the command line.

The sample's own code, except for the device, which was a GPU, and the printed values, which tests read.
"""

import sys

from optimum.intel.openvino import OVModelForCausalLM
from transformers import AutoConfig, AutoTokenizer

model_dir = sys.argv[1]
device = "CPU"

ov_config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "CACHE_DIR": ""}

ov_model = OVModelForCausalLM.from_pretrained(
    model_dir,
    device=device,
    ov_config=ov_config,
    config=AutoConfig.from_pretrained(model_dir, trust_remote_code=True),
    trust_remote_code=True,
)

tok = AutoTokenizer.from_pretrained(model_dir, trust_remote_code=True)

tokenizer_kwargs = {"add_special_tokens": False}

prompt = "<|system|>You are a helpful AI assistant.<|end|><|user|>Can you introduce OpenVINO?<|end|><|assistant|>"

input_tokens = tok(prompt, return_tensors="pt", **tokenizer_kwargs)

answer = ov_model.generate(**input_tokens, max_new_tokens=1024)

print(input_tokens.input_ids[0].tolist())
print(answer[0].tolist())
print(tok.batch_decode(answer, skip_special_tokens=True)[0].encode())
