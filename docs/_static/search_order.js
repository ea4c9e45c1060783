// The order of what a search finds: guides before the reference and the records, unless the query is written as a name.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([page, , , , score]) => {
    const query = new URLSearchParams(window.location.search).get("q") || "";
    const isName = /^\S*([a-z][A-Z]|[_.])\S*$|^[A-Z][a-z]+$/.test(query.trim());
    const isGuide = /^howto\/|^(tutorial|quickstart|troubleshooting|short-form|deploying|running)$/.test(page);
    const isNamed = page.includes(query.trim().toLowerCase());
    const isRecord = /^decisions\/|^(changelog|deviations|behaviours|where|guides-compared)$/.test(page);
    return score + (isName ? 0 : isGuide ? (isNamed ? 40 : 20) : isRecord || page.startsWith("reference/") ? -20 : 0);
  },
};
