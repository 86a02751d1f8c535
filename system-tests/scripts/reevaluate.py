"""Evaluates an addition checkpoint outside Gradus: plain torch reads config.json and model.safetensors, decodes greedily,
and compares with Python's own integers. Shares no code and no problems with Gradus.

usage: reevaluate.py CHECKPOINT [--problems 400] [--last 14] [--threshold 0.9] [--seed 12345] [--json]
needs: torch, safetensors
"""
import argparse
import json
import pathlib
import random

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class Policy:
    """A Llama decoder in forty lines; position ids are the index inside the current run of digits."""

    def __init__(self, directory):
        self.c = c = json.loads((directory / "config.json").read_text())
        self.w = {k: v.float() for k, v in load_file(directory / "model.safetensors").items()}
        self.heads = c["num_attention_heads"]
        self.kv = c.get("num_key_value_heads", self.heads)
        self.dim = c.get("head_dim") or c["hidden_size"] // self.heads
        theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
        self.frequencies = theta ** (-torch.arange(0, self.dim, 2).float() / self.dim)
        self.eps = c["rms_norm_eps"]
        vocabulary = json.loads((directory / "tokenizer.json").read_text())["model"]["vocab"]
        self.ids = vocabulary
        self.bos, self.eos = c["bos_token_id"], c["eos_token_id"]
        self.digits = torch.zeros(c["vocab_size"], dtype=torch.bool)
        self.digits[[vocabulary[d] for d in "0123456789"]] = True
        self.coupled = c.get("gradus_position_ids", "sequential").lower() == "digit_coupled"

    def position_ids(self, ids):
        if not self.coupled:
            return torch.arange(ids.shape[1]).expand_as(ids)
        index = torch.arange(1, ids.shape[1] + 1).expand_as(ids)
        last = torch.where(self.digits[ids], 0, index).cummax(1).values
        return index - last

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.w[name]

    def rotate(self, x, positions):
        angle = positions[:, None, :, None].float() * self.frequencies
        a, b = x.chunk(2, -1)
        return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1)

    def logits(self, ids):
        rows, length = ids.shape
        positions = self.position_ids(ids)
        x = self.w["model.embed_tokens.weight"][ids]
        for layer in range(self.c["num_hidden_layers"]):
            p = f"model.layers.{layer}."
            h = self.norm(x, p + "input_layernorm.weight")
            q, k, v = (
                F.linear(h, self.w[p + f"self_attn.{n}_proj.weight"]).view(rows, length, heads, self.dim).transpose(1, 2)
                for n, heads in (("q", self.heads), ("k", self.kv), ("v", self.kv))
            )
            q, k = self.rotate(q, positions), self.rotate(k, positions)
            k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + F.linear(y.transpose(1, 2).reshape(rows, length, -1), self.w[p + "self_attn.o_proj.weight"])
            h = self.norm(x, p + "post_attention_layernorm.weight")
            gate, up = (F.linear(h, self.w[p + f"mlp.{n}_proj.weight"]) for n in ("gate", "up"))
            x = x + F.linear(F.silu(gate) * up, self.w[p + "mlp.down_proj.weight"])
        head = self.w.get("lm_head.weight", self.w["model.embed_tokens.weight"])
        return F.linear(self.norm(x, "model.norm.weight"), head)

    @torch.inference_mode()
    def greedy(self, prompts, new):
        ids = torch.tensor(prompts)
        for _ in range(new):
            ids = torch.cat((ids, self.logits(ids)[:, -1].argmax(-1, keepdim=True)), 1)
        return ids[:, len(prompts[0]) :].tolist()


def accuracy(policy, digits, problems, rng):
    low, high = (10 ** (digits - 1) if digits > 1 else 0), 10**digits - 1
    pairs = [(rng.randint(low, high), rng.randint(low, high)) for _ in range(problems)]
    reverse = lambda n, width: [policy.ids[d] for d in str(n).zfill(width)[::-1]]
    prompts = [[policy.bos, *reverse(a, digits), policy.ids["+"], *reverse(b, digits), policy.ids["="]] for a, b in pairs]
    answers = [[*reverse(a + b, digits + 1), policy.eos] for a, b in pairs]
    got = policy.greedy(prompts, digits + 2)
    return sum(g == a for g, a in zip(got, answers)) / problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--last", type=int, default=14)
    parser.add_argument("--threshold", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(1)
    policy, rng = Policy(a.checkpoint), random.Random(a.seed)
    shares = {n: accuracy(policy, n, a.problems, rng) for n in range(1, a.last + 1)}
    handled = 0
    for n, share in shares.items():
        if share < a.threshold:
            break
        handled = n
    if a.json:
        print(json.dumps({"digits_handled": handled, "accuracy": shares, "problems": a.problems}))
    else:
        for n, share in shares.items():
            print(f"{n:3d} digits  {100 * share:6.2f} %")
        print(f"digits handled: {handled}")


if __name__ == "__main__":
    main()
