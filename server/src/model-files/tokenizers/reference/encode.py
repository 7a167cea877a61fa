"""Prints the token ids of texts. Standard input: {"tokenizers": {name: tokenizer.json, ...}, "texts": [text, ...]}"""
import json
import sys

from tokenizers import Tokenizer

given = json.load(sys.stdin)
result = {}
for name, data in given["tokenizers"].items():
    tokenizer = Tokenizer.from_str(json.dumps(data))
    result[name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in given["texts"]]
print(json.dumps(result, separators=(",", ":")))
