// Cost: what a configuration saves, in one direct call a change, and its speed on this machine, measured on request.

const { el, store } = papr;
const { among, whole, words } = papr.links;

const MEASURED = { backbone: "Backbone alone", pair: "With the ConvNet’s pass", "end to end": "From JPEG file to answer" };

papr.costs = {
  view: null,
  found: null, // the last answer

  mount({ element, props, trigger, watch, server }) {
    const root = element.querySelector(".papr-costs");
    const { view: plain, reduction } = props.value; // word -> its choices, or the most of a number
    papr.costs.amounts = Object.keys(reduction).filter((word) => !Array.isArray(reduction[word]));
    const said = Object.entries(reduction).map(([word, values]) => [word.replaceAll("_", "-"), [word, Array.isArray(values) ? among(values) : whole(0, values)]]);
    const { backbone, proposal, percent } = store.view; // what Compare shows, until something else is chosen
    const view = (papr.costs.view = { ...plain, backbone, proposal, percent });
    papr.links.join(view, plain, {
      "cost-backbone": ["backbone", words],
      "cost-proposal": ["proposal", (text) => (text === "" ? "" : words(text))],
      "cost-keep": ["percent", whole(1, 100)],
      ...Object.fromEntries(said),
      table: ["table", among(["all", ..."123456789"])],
    });
    const counts = countsPart();
    const speed = speedPart(trigger, server);
    const tables = papr.paperTables(view, server);
    root.append(counts.node, speed.node, tables);

    // One call at a time, then the newest: the slider never waits.
    let [asking, again] = [false, false];
    async function ask() {
      again = true;
      if (asking) return;
      asking = true;
      while (again) {
        again = false;
        const reply = await server.costs(JSON.stringify(papr.costs.question()));
        papr.say("cost", reply?.ok ? "" : (reply?.text ?? "The server did not answer. Move a slider to ask again."));
        if (reply?.ok) papr.costs.found = reply;
        counts.draw(papr.costs.found, Boolean(reply?.ok));
        speed.draw();
      }
      asking = false;
    }
    papr.costs.set = (change) => {
      Object.assign(view, change);
      papr.links.write();
      ask();
    };
    watch("value", () => speed.take(props.value.measured));
    if (JSON.stringify(view) !== JSON.stringify(plain)) trigger("sync");
    ask();
  },

  question() {
    const { percent, table, ...rest } = papr.costs.view;
    return { ...rest, keep: percent / 100 };
  },
};

// 17.5812 -> "17.58", 0.2744 -> "0.274"
papr.gmacs = (value) => value.toFixed(value < 10 ? 3 : 2);
const less = (share) => `${papr.percent(Math.abs(share))}\u00a0% ${share < 0 ? "more" : "less"}`;

// --- the counts -----------------------------------------------------------------------------------------------------

function countsPart() {
  const sentence = el("h2", { class: "p-verdict", text: "Counting …" });
  const basis = el("p", { class: "p-basis" });
  const rows = ["full", "proposal", "alone", "pruned"].map((name) => {
    const label = el("th", { scope: "row" });
    const bar = el("div", { class: `p-amount p-amount-${name}` });
    const [value, share] = [el("td", { class: "p-strong" }), el("td")];
    return { name, label, bar, value, share, node: el("tr", { "data-cost": name }, label, el("td", { class: "p-barcell" }, bar), value, share) };
  });
  const head = ["What runs", "Bar", "GMACs", "Of the full backbone"].map((text) => el("th", { scope: "col", text }));
  const table = el(
    "table",
    { class: "p-fewest p-counts" },
    el("caption", { class: "p-hidden", text: "Billions of multiply-accumulates a picture" }),
    el("thead", { class: "p-hidden" }, el("tr", {}, ...head)),
    el("tbody", {}, ...rows.map((row) => row.node)),
  );
  const spoken = el("p", { class: "p-hidden", role: "status" });
  const speak = papr.debounce(() => papr.put(spoken, `${sentence.textContent} ${basis.textContent}`), 700);
  const node = el("section", { class: "p-costs-part" }, sentence, basis, table, spoken);

  function draw(found, current) {
    node.classList.toggle("p-stale", !current);
    if (!found) return;
    const { gmacs_full: full, gmacs_proposal: looking, gmacs_pruned: pruned } = found;
    const parts = [];
    if (found.keep < 1) parts.push(`${Math.round(100 * found.keep)} % of its patches`);
    if (found.reduction) parts.push(found.reduction);
    const what = parts.length ? `${found.title} with ${papr.list(parts)}` : `${found.title}, nothing pruned,`;
    const saved = pruned === full ? "" : `, ${less(1 - pruned / full)}`;
    sentence.replaceChildren(el("span", { text: `${what} costs ` }), el("strong", { text: `${papr.gmacs(pruned)} of ${papr.gmacs(full)} GMACs${saved}` }), el("span", { text: "." }));
    const notes = [
      `${found.kept} of ${found.patches} patches kept.`,
      found.about,
      "GMACs are billions of multiply-accumulates a picture, counted from the models’ own operators without running them: what the paper calls GFLOPs.",
    ];
    papr.put(basis, notes.filter(Boolean).join(" "));
    const values = { full, proposal: looking, alone: pruned - looking, pruned };
    const titles = {
      full: "The full backbone",
      proposal: found.proposal ? "One pass of the ConvNet, without its classifier" : "No ConvNet looks",
      alone: "The backbone, pruned",
      pruned: "Together",
    };
    const most = Math.max(full, pruned);
    for (const { name, label, bar, value, share } of rows) {
      papr.put(label, titles[name]);
      bar.style.width = `${(100 * values[name]) / most}%`;
      bar.style.marginLeft = name === "alone" ? `${(100 * looking) / most}%` : "0";
      papr.put(value, papr.gmacs(values[name]));
      papr.put(share, `${papr.percent(values[name] / full)} %`);
    }
    speak();
  }
  return { node, draw };
}

// --- the speed ------------------------------------------------------------------------------------------------------

function speedPart(trigger, server) {
  let seq = 0;
  let result = null; // {asked, found}
  let asked = null; // while it is measured
  const visitor = `${papr.ask.visitor} cost`;
  const says = el("p", { class: "p-says", role: "alert" });
  papr.place("speed", says);
  const start = papr.button(null, "Measure images per second", measure);
  const stop = papr.button("stop", "Stop", end, { class: "p-button p-small" });
  const bar = el("progress", { max: 1, "aria-label": "Progress of the measurement" });
  const doing = el("span");
  const working = el("p", { class: "p-working" }, bar, doing, stop);
  const status = el("p", { class: "p-note", role: "status" });
  const body = el("tbody");
  const columns = ["Measured", "Plain, images/s", "Pruned, images/s", "Speed-up", "Middle half", "By the counts"];
  const table = el(
    "div",
    { class: "p-scroll", tabindex: 0, role: "region", "aria-label": "Images per second, measured here" },
    el("table", { class: "p-table" }, el("thead", {}, el("tr", {}, ...columns.map((text) => el("th", { scope: "col", text })))), body),
  );
  const note = el("p", { class: "p-note" });
  const node = el(
    "section",
    { class: "p-costs-part p-speed" },
    el("h3", { class: "p-heading", text: "Images per second on this machine" }),
    el("p", {
      class: "p-note",
      text:
        "Plain and pruned run in turn, in an order drawn anew each round, with random weights: speed does not depend on them, " +
        "and nothing is downloaded. It takes up to a minute; whoever uses this machine meanwhile slows both.",
    }),
    el("div", { class: "p-tools" }, start, working, status),
    says,
    table,
    note,
  );

  function measure() {
    seq += 1;
    asked = papr.costs.question();
    papr.say("speed", "");
    papr.put(status, "");
    progress("Waiting for the machine", null);
    server.newest(JSON.stringify({ visitor, seq }));
    trigger("measure", { visitor, seq, ...asked });
    draw();
  }
  function end() {
    seq += 1; // what is still on its way is not taken
    server.newest(JSON.stringify({ visitor, seq }));
    asked = null;
    papr.put(status, "Stopped.");
    draw();
  }
  function progress(text, share) {
    papr.put(doing, `${text} …`);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }
  function take(told) {
    if (!told || told.seq < seq || !asked) return;
    if (told.progress) {
      const [done, of] = told.progress;
      progress(done ? `${done} of ${of} rounds` : "Warming up", done ? done / of : null);
      return;
    }
    if (told.error) papr.say("speed", told.error.text);
    if (told.found) {
      result = { asked, found: told.found };
      const first = told.found.rows[0];
      papr.put(status, `Measured: ${images(first.plain_images_per_second)} images a second plain, ${images(first.pruned_images_per_second)} pruned.`);
    }
    asked = null;
    draw();
  }

  function draw() {
    const question = papr.costs.question();
    const nothing = question.keep === 1 && !papr.costs.amounts.some((word) => question[word]);
    start.disabled = Boolean(asked) || nothing;
    start.title = nothing ? "Nothing is pruned: move a slider first" : "";
    papr.show(working, Boolean(asked));
    papr.show(table, Boolean(result));
    papr.show(note, Boolean(result));
    if (!result) return;
    const { found } = result;
    body.replaceChildren(
      ...found.rows.map((row) =>
        el(
          "tr",
          { "data-measured": row.measured },
          el("th", { scope: "row", text: MEASURED[row.measured] }),
          ...[
            images(row.plain_images_per_second),
            images(row.pruned_images_per_second),
            `${row.speedup.toFixed(2)} ×`,
            `${row.speedup_low.toFixed(2)} to ${row.speedup_high.toFixed(2)}`,
            row.promised === null ? "–" : `${row.promised.toFixed(2)} ×`,
          ].map((text) => el("td", { text })),
        ),
      ),
    );
    const [row] = found.rows;
    const reduced = found.reduction ? `, ${found.reduction}` : "";
    const old = JSON.stringify(result.asked) !== JSON.stringify(papr.costs.question()) ? "Of an earlier choice: " : "";
    const share = found.pixel_share === null ? "" : ` Its pixel operators take ${papr.percent(found.pixel_share)} % of the plain model’s time; only they are pruned.`;
    papr.put(
      note,
      `${old}${found.backbone} at ${Math.round(100 * row.keep)} %${reduced}, ${found.proposal ?? "no ConvNet"}, batch ${found.batch_size}, ` +
        `medians of ${row.n} rounds, ${found.dtype}, ${found.threads} ${found.threads === 1 ? "thread" : "threads"} of ${found.machine}, torch ${found.torch}.${share}`,
    );
  }
  draw();
  return { node, draw, take };
}

const images = (value) => value.toFixed(value < 100 ? 1 : 0);
