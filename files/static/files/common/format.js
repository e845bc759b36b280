// Sizes and times for people.

const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const moments = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});

export function readableSize(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  let unit = -1;
  for (; bytes >= 1024 && unit < 4; unit++) bytes /= 1024;
  return `${bytes.toFixed(1)}\u00a0${["KB", "MB", "GB", "TB", "PB"][unit]}`;
}

export const localTime = (time) => moments.format(new Date(time));

export const localDate = (time) => dates.format(new Date(time));

export const counted = (number, one, many = `${one}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
