const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Python's `date.strftime(format)` in English and in local time, without time zones; unknown directives stay. */
export function strftime(date: Date, format: string): string {
  const two = (number: number) => String(number).padStart(2, "0");
  const hour12 = date.getHours() % 12 || 12;
  const dayOfYear = Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) /
      86_400_000,
  );
  const day = DAYS[date.getDay()]!;
  const month = MONTHS[date.getMonth()]!;
  const iso = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const american = `${two(date.getMonth() + 1)}/${two(date.getDate())}/${two(date.getFullYear() % 100)}`;
  const texts: Readonly<Record<string, string>> = {
    "%": "%",
    A: day,
    a: day.slice(0, 3),
    B: month,
    b: month.slice(0, 3),
    h: month.slice(0, 3),
    c: `${day.slice(0, 3)} ${month.slice(0, 3)} ${String(date.getDate()).padStart(2)} ${time} ${date.getFullYear()}`,
    D: american,
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2),
    F: iso,
    f: String(date.getMilliseconds() * 1000).padStart(6, "0"),
    H: two(date.getHours()),
    I: two(hour12),
    j: String(dayOfYear + 1).padStart(3, "0"),
    M: two(date.getMinutes()),
    m: two(date.getMonth() + 1),
    n: "\n",
    p: date.getHours() < 12 ? "AM" : "PM",
    R: `${two(date.getHours())}:${two(date.getMinutes())}`,
    S: two(date.getSeconds()),
    T: time,
    t: "\t",
    u: String(date.getDay() || 7),
    w: String(date.getDay()),
    X: time,
    x: american,
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    Z: "",
    z: "",
  };
  return format.replace(/%(-?)([a-zA-Z%])/g, (directive, unpadded: string, letter: string) => {
    const text = texts[letter];
    if (text === undefined) return directive;
    return unpadded === "" ? text : text.replace(/^[0 ]+(?=.)/, "");
  });
}
