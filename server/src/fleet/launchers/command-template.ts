/** Replaces `{name}` in each argument by its value. @throws Error for a placeholder without a value. */
export function fillCommandTemplate(
  command: readonly string[],
  values: Readonly<Record<string, string | null>>,
): string[] {
  return command.map((argument) =>
    argument.replace(/\{([a-z]+)\}/g, (whole, name: string) => {
      const value = Object.hasOwn(values, name) ? values[name] : null;
      if (value == null) throw new Error(`the command has no ${whole} here`);
      return value;
    }),
  );
}
