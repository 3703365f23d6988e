// The address bar holds what is set, so that a link opens the same view. Only what differs from the view on arrival is
// written, and never a visitor's own picture: a link then says only that there was one.

const { store } = papr;
const OWN = "own"; // stands for a picture that is not an example

let arrival = null; // the view that needs no words
let known = null; // what may be set: {pictures, methods, looks, colours, scales}
let quiet = true; // until the link has been read
const joined = []; // pages that have a part of the address of their own: {view, plain, fields}

// --- reading: what is not understood is left out -------------------------------------------------------------------

const among = (names) => (text) => (names.includes(text) ? text : undefined);
const whole = (low, high) => (text) => {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
};
const words = (text) => (text && text.length <= 200 ? text : undefined);
const share = (text) => (/^(0(\.\d+)?|1)$/.test(text) ? Number(text) : undefined);

const several = (text) => {
  const names = text.split(",").filter((name) => known.methods.includes(name));
  return names.length || text === "" ? names : undefined;
};

// parameter -> [name in the view, from text]
const fields = () => ({
  keep: ["percent", whole(1, 100)],
  proposal: ["proposal", words],
  backbone: ["backbone", words],
  methods: ["methods", several],
  target: ["target", whole(0, 999_999)],
  explain: ["explain", among(["proposal", "target"])],
  look: ["look", among(known.looks)],
  opacity: ["opacity", share],
  colours: ["colours", among(known.colours)],
  scale: ["scale", among(known.scales)],
});

function read() {
  const given = new URL(window.location).searchParams;
  const view = {};
  for (const [parameter, [name, parse]] of Object.entries(fields())) {
    const value = given.has(parameter) ? parse(given.get(parameter)) : undefined;
    if (value !== undefined) view[name] = value;
  }
  return { view, picture: given.get("picture"), page: given.get("tab") };
}

// --- writing -------------------------------------------------------------------------------------------------------

const written = (value) => (Array.isArray(value) ? value.join(",") : String(value));

const write = papr.debounce(() => {
  if (quiet || !store.answer?.picture) return;
  const url = new URL(window.location);
  const set = (parameter, value, plain) => {
    if (value === null || value === undefined || written(value) === written(plain)) url.searchParams.delete(parameter);
    else url.searchParams.set(parameter, written(value));
  };
  for (const [parameter, [name]] of Object.entries(fields())) set(parameter, store.view[name], arrival[name]);
  for (const { view, plain, fields } of joined)
    for (const [parameter, [name]] of Object.entries(fields)) set(parameter, view[name], plain[name]);
  const { id } = store.answer.picture;
  set("picture", known.pictures.includes(id) ? id : OWN, arrival.picture);
  set("tab", papr.pages.open.toLowerCase(), "compare");
  if (url.href !== window.location.href) history.replaceState(history.state, "", url);
}, 250);

// --- opening -------------------------------------------------------------------------------------------------------

papr.links = {
  // Take the link's view over the one on arrival. Gives whether the server has to be asked, and about which picture; own:
  // the link was made on a visitor's own picture; gone: it names an example that is not here.
  open(view, allowed) {
    [arrival, known] = [{ ...view }, allowed];
    const link = read();
    const picture = known.pictures.includes(link.picture) ? link.picture : view.picture;
    const changed = Object.keys(link.view).filter((name) => written(link.view[name]) !== written(view[name]));
    return {
      picture,
      page: link.page,
      own: link.picture === OWN,
      gone: ![null, OWN, picture].includes(link.picture),
      view: Object.fromEntries(changed.map((name) => [name, link.view[name]])),
      asks: picture !== view.picture || changed.some((name) => ["proposal", "backbone", "target", "explain"].includes(name)),
    };
  },

  // The link has been read; from now on the address follows.
  follow() {
    quiet = false;
    papr.onchange(write);
  },

  // A page's own part of the address, as {parameter: [name in its view, from text]}: its view takes what the link says.
  // plain: the view that needs no words.
  join(view, plain, fields) {
    const given = new URL(window.location).searchParams;
    for (const [parameter, [name, parse]] of Object.entries(fields)) {
      const value = given.has(parameter) ? parse(given.get(parameter)) : undefined;
      if (value !== undefined) view[name] = value;
    }
    joined.push({ view, plain, fields });
    write();
  },

  write,
  among,
  whole,
  words,
};
