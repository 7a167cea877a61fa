/** What a child process needs to find its programs, its libraries and the network; never a secret of the server. */
const NAMES = new Set([
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "TEMP",
  "TMP",
  "TZ",
  "LANG",
  "SYSTEMROOT",
  "COMSPEC",
  "LD_LIBRARY_PATH",
  "DYLD_LIBRARY_PATH",
  "OMP_NUM_THREADS",
  "HIP_VISIBLE_DEVICES",
  "XDG_CACHE_HOME",
]);
const PREFIXES = ["LC_", "CUDA_", "NVIDIA_", "GGML_"];
/** Proxies may hold a password: only for a child whose work is to download. */
export const DOWNLOAD_PREFIXES = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "ALL_PROXY",
  "all_proxy",
  "SSL_CERT_",
  "REQUESTS_CA_BUNDLE",
  "XDG_CONFIG_",
  "PIP_",
  "PYTHON",
];

/** The part of the server's environment that a child process gets. `prefixes`: names it may have besides. */
export function childEnv(
  env: Readonly<Record<string, string | undefined>>,
  prefixes: readonly string[] = [],
): Record<string, string> {
  const allowed = [...PREFIXES, ...prefixes];
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined &&
        (NAMES.has(entry[0]) || allowed.some((prefix) => entry[0].startsWith(prefix))),
    ),
  );
}
