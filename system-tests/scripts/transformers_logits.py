"""Compares a Gradus checkpoint in `transformers` with the logits that Gradus computed.

usage: transformers_logits.py CHECKPOINT LOGITS.json [--tolerance 1e-4]
LOGITS.json: {"sequences": [{"ids": [...], "position_ids": [...], "logits": [[...], ...]}, ...]}
needs: torch, transformers
"""
import argparse
import json

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("logits")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    a = parser.parse_args()
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(a.checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    worst, count = 0.0, 0
    with open(a.logits) as file:
        sequences = json.load(file)["sequences"]
    for s in sequences:
        ids = torch.tensor([s["ids"]])
        with torch.inference_mode():
            # Without a mask, position ids that begin anew are taken for several sequences packed into one.
            got = model(
                ids,
                position_ids=torch.tensor([s["position_ids"]]),
                attention_mask=torch.ones_like(ids),
                use_cache=False,
            ).logits[0]
        want = torch.tensor(s["logits"])
        worst = max(worst, (got - want).abs().max().item())
        count += want.numel()
    print(f"{len(sequences)} sequences, {count} logits, largest difference {worst:.2e}, tolerance {a.tolerance:g}")
    raise SystemExit(0 if count and worst <= a.tolerance else 1)


if __name__ == "__main__":
    main()
