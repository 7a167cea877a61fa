import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import { createObject, requestFields } from "./crud.ts";

export const createUser: Run = async (context) => {
  const fields = await requestFields(context);
  const email = String(fields["email"] ?? "");
  const isMachine = fields["serviceAccount"] === true && email === "";
  if (!isMachine && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new UsageError(
      email === ""
        ? "firectl create user needs --email."
        : "--email must be an address such as alice@example.com.",
    );
  }
  await context.out.resource(await createObject(context, { role: "user", ...fields }));
};
