import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { checkFilter } from "../../lib/filter-check.ts";
import { openPageToken, sealPageToken } from "../../lib/page-token.ts";
import { parseTimestamp } from "../../lib/timestamps.ts";
import {
  type Grouping,
  REPORT_FIELDS,
  type ReportQuery,
  type UsageReports,
} from "../../metering/usage/service.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import { csvLine } from "./csv.ts";
import type { ExportQuery, UsageFigures, UsagePage, UsageQuery } from "./schema.ts";
import { FIGURE_NAMES, toFigures, toUsage } from "./view.ts";

export interface UsageDeps {
  reports: UsageReports;
  clock: Clock;
  tokenSecret: Buffer;
}

export interface UsageService {
  /** @throws AppError BAD_REQUEST naming the parameter; NOT_FOUND for another account; FORBIDDEN for `allAccounts`. */
  query(principal: Principal, accountId: string, query: UsageQuery): Promise<UsagePage>;
  /**
   * All groups as lines of CSV.
   * @throws AppError like `query`; RATE_LIMIT_EXCEEDED while too many other exports run.
   */
  export(principal: Principal, accountId: string, query: ExportQuery): Promise<AsyncIterable<string>>;
}

const HOUR_MS = 3_600_000;
const MAX_RANGE_MS = 400 * 24 * HOUR_MS;
const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200;
const MAX_EXPORT_ROWS = 1_000_000;
/** Bounded, because an export occupies a database connection while its client reads. */
const MAX_EXPORTS = 2;

/** Content of a page token. */
interface Position {
  /** Last group of the page before. */
  after: string[];
  total: UsageFigures;
  totalSize: number;
}

export function createUsage({ reports, clock, tokenSecret }: UsageDeps): UsageService {
  let exports = 0;

  function toReportQuery(principal: Principal, accountId: string, query: ExportQuery): ReportQuery {
    authorize(principal, accountId, "read", `Account accounts/${accountId}`);
    if (query.allAccounts === true && !principal.isOperator)
      throw new AppError("FORBIDDEN", "Only the operator sees the usage of all accounts.");
    const filter = checkFilter(query.filter ?? "", REPORT_FIELDS);
    return {
      ...rangeOf(query, clock.now()),
      accountId: query.allAccounts === true ? null : accountId,
      groupBy: groupsOf(query),
      filter,
    };
  }

  return {
    async query(principal, accountId, query) {
      const report = toReportQuery(principal, accountId, query);
      const { fromMs, toMs, groupBy } = report;
      const pageSize = pageSizeOf(query.pageSize);
      const context = JSON.stringify([
        "usage",
        report.accountId,
        query.startTime,
        query.endTime,
        groupBy,
        query.filter,
      ]);
      const token = query.pageToken
        ? (openPageToken(tokenSecret, context, query.pageToken) as Position & {
            fromMs: number;
            toMs: number;
          })
        : null;
      // Default times depend on the clock, so later pages take them from the token.
      const range = token === null ? { fromMs, toMs } : { fromMs: token.fromMs, toMs: token.toMs };
      const { rows, total, totalSize } =
        token === null
          ? await readFirstPage(report, pageSize + 1)
          : { ...token, rows: await reports.rows({ ...report, ...range }, token.after, pageSize + 1) };
      const page = rows.slice(0, pageSize);
      const position = { after: page.at(-1)?.group ?? [], total, totalSize, ...range };
      return {
        usage: page.map((row) => toUsage(groupBy, row)),
        total,
        startTime: timeText(range.fromMs),
        endTime: timeText(range.toMs),
        nextPageToken: rows.length > pageSize ? sealPageToken(tokenSecret, context, position) : "",
        totalSize,
      };
    },

    async export(principal, accountId, query) {
      const report = toReportQuery(principal, accountId, query);
      const { groups } = await reports.total(report);
      if (groups > MAX_EXPORT_ROWS) {
        const message = `An export has at most ${MAX_EXPORT_ROWS} rows, this one has ${groups}; take a shorter time or fewer groups.`;
        throw badRequest("groupBy", message);
      }
      if (exports >= MAX_EXPORTS) {
        throw new AppError("RATE_LIMIT_EXCEEDED", `At most ${MAX_EXPORTS} exports run at a time.`, {
          retryAfterS: 5,
        });
      }
      return exportLines(report);
    },
  };

  async function readFirstPage(report: ReportQuery, limit: number) {
    const { rows, total } = await reports.firstPage(report, limit);
    const { groups, ...sums } = total;
    return { rows, total: toFigures(sums), totalSize: report.groupBy.length === 0 ? 1 : groups };
  }

  async function* exportLines(report: ReportQuery): AsyncGenerator<string> {
    exports++;
    try {
      yield csvLine([...report.groupBy, ...FIGURE_NAMES]);
      for await (const rows of reports.stream(report)) {
        yield rows.map((row) => csvLine([...row.group, ...Object.values(toFigures(row))])).join("");
      }
    } finally {
      exports--;
    }
  }
}

function rangeOf({ startTime, endTime }: ExportQuery, nowMs: number): { fromMs: number; toMs: number } {
  const now = new Date(nowMs);
  const toMs = hourOf("endTime", endTime) ?? (Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS;
  const fromMs = hourOf("startTime", startTime) ?? Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
  if (fromMs >= toMs) throw badRequest("startTime", "startTime must lie before endTime.");
  if (toMs - fromMs > MAX_RANGE_MS) throw badRequest("startTime", "A report covers at most 400 days.");
  return { fromMs, toMs };
}

function hourOf(param: string, text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const time = parseTimestamp(text);
  if (time === null) throw badRequest(param, `${param} must be a time like 2026-01-31T12:00:00Z.`);
  if (!time.endsWith(":00:00.000000Z"))
    throw badRequest(param, `${param} must be a full hour, as usage is kept by the hour.`);
  return Date.parse(time);
}

function groupsOf({ groupBy = [] }: ExportQuery): Grouping[] {
  if (new Set(groupBy).size < groupBy.length) throw badRequest("groupBy", "groupBy names something twice.");
  return groupBy;
}

function pageSizeOf(pageSize: number | undefined): number {
  if (pageSize === undefined || pageSize === 0) return DEFAULT_PAGE_SIZE;
  if (pageSize < 0) throw badRequest("pageSize", "pageSize must not be negative.");
  return Math.min(pageSize, MAX_PAGE_SIZE);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
