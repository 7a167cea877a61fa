"""Trains a small tokenizer of every supported family, and prints one a line.

Needs the packages `tokenizers` and `sentencepiece`. Standard input: {"corpus": [text, ...]}. A line:
{"name": ..., "tokenizer": tokenizer.json, "model": tokenizer.model in base64 or null, "legacy": bool}
"""
import base64
import io
import json
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

CORPUS = json.load(sys.stdin)["corpus"]
VOCABULARY = 700

WORDS_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_1 = WORDS_3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(end, digits):
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{end}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{end}|{digits}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def token(text, special=True, **flags):
    return AddedToken(text, special=special, normalized=flags.pop("normalized", False), **flags)


COMMON = [token("<|begin|>"), token("<|end|>"), token("<tool>", special=False)]
STRIPPED = [
    token("<l>", lstrip=True),
    token("<r>", rstrip=True),
    token("<both>", special=False, lstrip=True, rstrip=True),
    token("word", special=False, single_word=True),
    token("<norm>", special=False, normalized=True),
    token("caf\u00e9<n>", special=False, normalized=True),
    token("<|", special=False),
]
SPACES = [token(" " * n, special=False) for n in range(2, 32)] + [token("\n\n", special=False), token("\t\t", special=False)]


def finish(tokenizer, added):
    # Special and plain tokens are told apart by their flag; the order of the list gives the ids.
    for one in COMMON + added:
        (tokenizer.add_special_tokens if one.special else tokenizer.add_tokens)([one])
    return json.loads(tokenizer.to_str())


def byte_level(steps, added=(), normalizer=None, ignore_merges=False, prefix=False, regex=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*steps, pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    )
    return finish(tokenizer, list(added))


def split(pattern):
    return [pre_tokenizers.Split(Regex(pattern), "isolated")]


def sentencepiece_like(normalizer, pre_tokenizer, added=()):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, limit_alphabet=150, max_token_length=12, show_progress=False
        ),
    )
    data = json.loads(tokenizer.to_str())
    # The trainer makes bytes special tokens; real files have them in the vocabulary alone.
    data["added_tokens"] = [one for one in data["added_tokens"] if not one["content"].startswith("<0x")]
    return finish(Tokenizer.from_str(json.dumps(data)), list(added))


REPLACE = normalizers.Replace(" ", "▁")
LEGACY = normalizers.Sequence([normalizers.Prepend("▁"), REPLACE])


def metaspace(scheme, split=False):
    return pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=split)


def sentencepiece_file():
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.replace("\n", " ").replace("\0", "") for text in CORPUS] * 3),
        model_writer=out,
        model_type="bpe",
        vocab_size=900,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        user_defined_symbols=["<tool>", "<both>"],
        minloglevel=2,
    )
    return out.getvalue()


def like_transformers(file, legacy):
    """The tokenizer.json that LlamaConverter of `transformers` makes of a tokenizer.model."""
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_proto=file)
    pieces = [model.id_to_piece(id) for id in range(model.get_piece_size())]
    vocab = {piece: id for id, piece in enumerate(pieces)}
    merges = []
    for piece in pieces:
        local = [(piece[:at], piece[at:]) for at in range(1, len(piece)) if piece[:at] in vocab and piece[at:] in vocab]
        local.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        merges += [(left, right, model.get_score(vocab[piece])) for left, right in local]
    merges.sort(key=lambda merge: merge[2], reverse=True)
    tokenizer = Tokenizer(
        models.BPE(vocab, [(left, right) for left, right, _ in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = LEGACY if legacy else None
    tokenizer.pre_tokenizer = None if legacy else metaspace("first")
    tokenizer.add_special_tokens([token("<unk>"), token("<s>"), token("</s>")])
    tokenizer.add_tokens([token("<tool>", special=False), token("<both>", special=False)])
    return json.loads(tokenizer.to_str())


def emit(name, tokenizer, model=None, legacy=True):
    line = {
        "name": name,
        "tokenizer": tokenizer,
        "model": None if model is None else base64.b64encode(model).decode(),
        "legacy": legacy,
    }
    print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


FAMILIES = {
    "Llama 3": byte_level(split(WORDS_3), ignore_merges=True),
    "Phi-4": byte_level(split(WORDS_3), STRIPPED),
    "Qwen": byte_level(split(WORDS_1), STRIPPED, normalizers.NFC()),
    "Mistral Nemo": byte_level(split(cased("", r"\p{N}")), ignore_merges=True),
    "Phi-4-mini": byte_level(split(cased(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", r"\p{N}{1,3}")), STRIPPED),
    "GPT-2": byte_level([], SPACES, regex=True),
    "GPT-2 with a space in front": byte_level([], STRIPPED, regex=True, prefix=True),
    "SmolLM": byte_level([pre_tokenizers.Digits(individual_digits=True)], SPACES, regex=True),
    "Llama 2": sentencepiece_like(LEGACY, None),
    "Phi-3": sentencepiece_like(LEGACY, None, STRIPPED),
    "Mistral": sentencepiece_like(None, metaspace("first"), STRIPPED),
    "a space before each part": sentencepiece_like(None, metaspace("always")),
    "pieces of words": sentencepiece_like(None, metaspace("first", split=True), STRIPPED),
    "Gemma": sentencepiece_like(
        REPLACE, pre_tokenizers.Split(" ", "merged_with_previous"), SPACES[-2:] + [token("▁▁▁▁", special=False)]
    ),
}
for name, tokenizer in FAMILIES.items():
    emit(name, tokenizer)
FILE = sentencepiece_file()
for legacy in [True, False]:
    emit(f"tokenizer.model, {'' if legacy else 'not '}legacy", like_transformers(FILE, legacy), FILE, legacy)
