export { divideRounded, formatDollars, parseDollars } from "./dollars.ts";
export { PriceError, USAGE_KINDS, type UsageKind } from "./price-file.ts";
export {
  type BillableUsage,
  costOf,
  loadPrices,
  type Price,
  type Prices,
  type PricesOptions,
} from "./prices.ts";
