/** Variables that a child process needs to find programs and libraries. None of them holds a secret of the server. */
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
/** Only for a child that downloads: the address of a proxy may hold a password. */
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

/** Picks the variables that a child process gets. @param prefixes of further names that it gets. */
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
