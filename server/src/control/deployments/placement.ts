import { badRequest } from "../../lib/errors.ts";
import type { DeploymentBody, StoredSpec } from "./schema.ts";

const PREFIXES: Readonly<Record<string, readonly string[]>> = {
  GLOBAL: [""],
  US: ["US_"],
  EUROPE: ["EU_"],
  APAC: ["AP_"],
};

/**
 * A place that is asked for is a label, unless the host says where it is: then it has to be there.
 * @param hostRegion of the settings; null: not said.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function checkPlacement(
  { placement, region }: Pick<DeploymentBody, "placement" | "region">,
  hostRegion: string | null,
): void {
  const given = Object.values(placement ?? {}).filter((value) => value !== undefined);
  if (given.length > 1)
    throw badRequest("placement", "Set one of region, multiRegion and regions, not several.");
  if (placement?.regions?.length === 0) throw badRequest("placement.regions", "placement.regions is empty.");
  if (isSet(region) && isSet(placement?.region) && region !== placement?.region) {
    throw badRequest("region", "region and placement.region differ.");
  }
  if (hostRegion === null) return;
  const fits =
    (!isSet(region) || region === hostRegion) &&
    (!isSet(placement?.region) || placement?.region === hostRegion) &&
    (placement?.regions === undefined || placement.regions.includes(hostRegion)) &&
    (PREFIXES[placement?.multiRegion ?? "GLOBAL"] ?? [""]).some((prefix) => hostRegion.startsWith(prefix));
  if (!fits) {
    throw badRequest(
      isSet(region) ? "region" : "placement",
      `This host is in ${hostRegion}, and only there.`,
    );
  }
}

/** Where the deployment is, as far as anybody has said. */
export function regionOf({ placement, region }: StoredSpec, hostRegion: string | null): string {
  return hostRegion ?? region ?? placement?.region ?? placement?.regions?.[0] ?? "REGION_UNSPECIFIED";
}

/** The wanted place as clients see it. */
export function placementView({ spec }: { spec: StoredSpec }): NonNullable<DeploymentBody["placement"]> {
  if (spec.placement !== undefined && Object.keys(spec.placement).length > 0) return spec.placement;
  return spec.region === undefined ? { multiRegion: "GLOBAL" } : { region: spec.region };
}

function isSet(region: string | undefined): boolean {
  return region !== undefined && region !== "REGION_UNSPECIFIED";
}
