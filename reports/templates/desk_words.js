/* Figures in words. */
function shown(value, how) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (how.kind === "fen") return yuan(value);
  if (how.kind === "wan") value /= 1e6;
  if (how.percent) return `${rounded(value * 100, how.digits)}%`;
  return rounded(value, how.digits);
}
