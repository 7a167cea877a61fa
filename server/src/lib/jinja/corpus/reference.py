"""Renders the corpus with Python's Jinja2, set up as transformers does.

Prints one JSON object: for each template, by its file's name, one result a case: {"text": ...}, {"raised": message} of
raise_exception, or {"failed": message}. With --store it writes the results' digests to expected.txt instead, which the
tests use where Python or Jinja2 is missing.
"""

import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

import jinja2
import jinja2.ext
import jinja2.sandbox

FOLDER = Path(__file__).parent
CASES = json.loads((FOLDER / "cases.json").read_text("utf-8"))


class Raised(Exception):
    pass


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("render"), [], [], body).set_lineno(line)

    def render(self, caller):
        return caller()


def raise_exception(message):
    raise Raised(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda format: datetime.fromisoformat(CASES["now"]).strftime(format)


def render(template, variables):
    try:
        return {"text": template.render(**variables)}
    except Raised as error:
        return {"raised": str(error)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def digest(result):
    text = "failed" if "failed" in result else json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def main():
    results = {}
    for path in sorted(FOLDER.glob("*.jinja")):
        template = environment.from_string(path.read_bytes().decode("utf-8"))
        results[path.name] = [render(template, {**CASES["common"], **case["variables"]}) for case in CASES["cases"]]
    if "--store" in sys.argv:
        lines = [" ".join([name, *map(digest, found)]) + "\n" for name, found in results.items()]
        (FOLDER / "expected.txt").write_text("".join(lines), "utf-8")
    else:
        json.dump(results, sys.stdout, ensure_ascii=True)


main()
