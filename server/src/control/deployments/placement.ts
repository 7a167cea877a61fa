import { badRequest } from "../../lib/errors.ts";
import type { DeploymentBody, StoredSpec } from "./schema.ts";

const PREFIXES: Readonly<Record<string, readonly string[]>> = {
  GLOBAL: [""],
  US: ["US_"],
  EUROPE: ["EU_"],
  APAC: ["AP_"],
};

/**
 * Checks the placement. When the settings name the host's region, the placement must include it; otherwise any label is
 * accepted.
 * @param hostRegion the region in the settings; null: not set.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function checkPlacement(
  { placement, region }: Pick<DeploymentBody, "placement" | "region">,
  hostRegion: string | null,
): void {
  const setFields = Object.values(placement ?? {}).filter((value) => value !== undefined);
  if (setFields.length > 1)
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

/** The region of the deployment: the host's or, when it is not set, the requested one. */
export function regionOf({ placement, region }: StoredSpec, hostRegion: string | null): string {
  return hostRegion ?? region ?? placement?.region ?? placement?.regions?.[0] ?? "REGION_UNSPECIFIED";
}

/** The requested placement as clients see it. */
export function placementView({ spec }: { spec: StoredSpec }): NonNullable<DeploymentBody["placement"]> {
  if (spec.placement !== undefined && Object.keys(spec.placement).length > 0) return spec.placement;
  return spec.region === undefined ? { multiRegion: "GLOBAL" } : { region: spec.region };
}

/** False for a placement that is absent, or whose fields have their zero values. */
export function isPlaced(placement: DeploymentBody["placement"]): boolean {
  const { region, multiRegion = "MULTI_REGION_UNSPECIFIED", regions = [] } = placement ?? {};
  return isSet(region) || multiRegion !== "MULTI_REGION_UNSPECIFIED" || regions.length > 0;
}

/** False for a region that is absent or REGION_UNSPECIFIED. */
export function isSet(region: string | undefined): boolean {
  return region !== undefined && region !== "REGION_UNSPECIFIED";
}
