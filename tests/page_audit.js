// What a page does wrong for people who use the keyboard or a screen reader; every list should be empty.
() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const start = (element) => element.outerHTML.slice(0, 120);
  const named = (element) =>
    [element.getAttribute("aria-label"), element.labels?.[0]?.textContent, element.textContent,
      document.getElementById(element.getAttribute("aria-labelledby"))?.textContent].some((text) => text?.trim());
  const used = all("button, input, select, textarea, summary, a[href], [tabindex='0']").filter(visible);
  const ids = all("[id]").map((element) => element.id);
  const references = ["aria-labelledby", "aria-describedby"].flatMap((attribute) =>
    all(`[${attribute}]`).flatMap((element) => element.getAttribute(attribute).split(" ")));
  const links = all("a[href^='#']").map((element) => element.hash.slice(1));
  const levels = all("h1, h2, h3, h4").filter(visible).map((element) => Number(element.tagName[1]));
  return {
    "without a name": used.filter((element) => !named(element)).map(start),
    "not reached by tab": used.filter((element) => element.tabIndex < 0).map(start),
    "ids twice": ids.filter((id, place) => ids.indexOf(id) !== place),
    "references to nothing": [...references, ...links].filter((id) => !ids.includes(id)),
    "levels of headings left out": levels.filter((level, place) => level > (place ? levels[place - 1] + 1 : 1)),
    "images without a text": all("img:not([alt]), [role=img]:not([aria-label])").map(start),
    "heads without a scope": all("th:not([scope])").map(start),
    "clicks without a button": all("[onclick]").map(start),
    "no language": document.documentElement.lang ? [] : ["html"],
    "no title": document.title ? [] : ["head"],
  };
}
