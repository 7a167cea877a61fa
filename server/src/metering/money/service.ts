export { divideRounded, formatDollars, parseDollars } from "./amounts.ts";
export { PriceError, USAGE_KINDS, type UsageKind } from "./price-file.ts";
export { type Amounts, costOf, loadPrices, type Price, type Prices, type PricesOptions } from "./prices.ts";
