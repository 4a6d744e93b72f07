"""vLLM with adapters in a process of its own: prints what each says, all in one batch."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    base, rank, limit, prompts, *adapters = sys.argv[1:]
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_HOST_IP": "127.0.0.1",
    }
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    engine = LLM(
        model=base,
        dtype="float32",
        max_model_len=64,
        max_num_seqs=8,
        enforce_eager=True,
        skip_tokenizer_init=True,
        enable_lora=True,
        max_loras=len(adapters),
        max_lora_rank=int(rank),
    )
    asked = [{"prompt_token_ids": tokens} for tokens in json.loads(prompts)]
    # None of the base: in one batch with adapters vLLM's CPU build gives it the last of them.
    requests = [LoRARequest(path, number, path) for number, path in enumerate(adapters, 1)]
    outputs = engine.generate(
        asked * len(requests),
        SamplingParams(temperature=0.0, max_tokens=int(limit), ignore_eos=True, detokenize=False),
        lora_request=[request for request in requests for _ in asked],
        use_tqdm=False,
    )
    said = [list(output.outputs[0].token_ids) for output in outputs]
    count = len(asked)
    print(json.dumps([said[n * count : (n + 1) * count] for n in range(len(requests))]))


if __name__ == "__main__":
    main()
