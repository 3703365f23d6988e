// What an accessibility audit asks, as far as it can be asked without axe: names, headings, ids, contrast.
() => {
  const seen = (node) => node.checkVisibility({opacityProperty: true, visibilityProperty: true}) && node.getClientRects().length > 0;
  const troubles = [];
  const say = (what, node) => troubles.push(`${what}: ${node.outerHTML.slice(0, 160)}`);
  const text = (node) => (node?.textContent ?? "").trim();
  const named = (node) => {
    const by = node.getAttribute("aria-labelledby");
    return (by && by.split(/\s+/).some((id) => text(document.getElementById(id)))) || node.getAttribute("aria-label")?.trim()
      || [...(node.labels ?? [])].some(text) || text(node) || node.title || node.getAttribute("alt") || node.querySelector("img[alt]:not([alt=''])");
  };
  for (const node of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, [role=slider], [role=tab], [role=dialog], [role=grid], [role=img], [role=meter]"))
    if (seen(node) && !named(node)) say("no name", node);
  for (const node of document.querySelectorAll("img")) if (!node.hasAttribute("alt")) say("no alt", node);
  const ids = [...document.querySelectorAll(".papr [id]")].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) troubles.push(`id twice: ${id}`);
  let level = 1;
  for (const node of document.querySelectorAll("h1, h2, h3, h4, h5")) {
    if (!seen(node) || node.closest("dialog")) continue;
    const now = Number(node.tagName[1]);
    if (now > level + 1) say(`heading skips from ${level}`, node);
    level = now;
  }
  if (document.querySelectorAll("h1").length !== 1) troubles.push("not one h1");
  if (!document.documentElement.lang) troubles.push("no language");
  for (const node of document.querySelectorAll("[tabindex]")) if (node.tabIndex > 0) say("positive tabindex", node);

  // contrast of text against what lies behind it (plain colours; pictures are left out)
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((value, i) => value * top[3] + under[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const faded = (node) => { for (let at = node; at; at = at.parentElement) if (getComputedStyle(at).opacity < 1) return true; return false; };
  for (const node of document.querySelectorAll(".papr *, #pages label *, #pages label, #pages button")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !seen(node) || faded(node) || node.closest("svg, .p-hidden, [disabled], math")) continue;
    const style = getComputedStyle(node);
    const behind = ground(node);
    const [a, b] = [light(over(rgba(style.color), behind)), light(behind)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, node);
  }
  return troubles;
}
