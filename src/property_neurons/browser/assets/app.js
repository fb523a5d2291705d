"use strict";
/* The pages: what the address says after # is shown. Names come from data and are set as text, never as markup. */

(() => {
  const index = BROWSER.index, utterances = BROWSER.utterances;
  const main = document.getElementById("main"), audio = document.getElementById("audio");
  const phones = index.phones.map(([name]) => name), classes = [...new Set(index.phones.map(([, kind]) => kind))];
  const kindOfPhone = index.phones.map(([, kind]) => classes.indexOf(kind));
  const properties = Object.keys(index.properties);
  const short = Plots.short;

  /* ---- small tools ---- */
  function el(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child);
    return node;
  }
  const link = (to, words) => el("a", { href: to }, words);
  const toLayer = layer => `#/layer/${layer}`;
  const toNeuron = (layer, neuron) => `#/layer/${layer}/neuron/${neuron}`;
  const toProperty = name => `#/property/${encodeURIComponent(name)}`;
  const share = value => (value === null || value === undefined ? null : value / 10000);
  const percent = value => (value === null || value === undefined ? "–" : `${short(100 * value)} %`);
  const number = value => (value === null || value === undefined ? "–" : short(value));
  const figure = (plot, caption) => el("figure", {}, el("div", { class: "scroll" }, plot), caption && el("figcaption", {}, caption));
  const mark = () => el("span", { "aria-hidden": "true" }, "▶ ");
  const legend = (names, shapes = false) => el("p", { class: "legend" }, names.map((name, kind) => el("span", { class: `k${kind % 6}` }, Plots.key(kind % 6, shapes), name)));
  const mean = values => { const there = values.filter(value => value !== null); return there.length ? there.reduce((a, b) => a + b, 0) / there.length : null; };

  /* Numbers stand for kinds of examples and for groups, which all neurons share. */
  function spellOut(one) {
    if (!one.sets) return;
    one.groups = one.groups.map(([at, ...rest]) => [...index.groups[at], ...rest]);
    one.panels = one.panels.map(([at, p]) => [index.groups[at][0], index.groups[at][1], p]);
    one.examples = one.examples.map(([kind, ...rest]) => [index.kinds[kind], ...rest]);
  }
  function load(layer) {
    if (BROWSER.layers[layer]) return Promise.resolve(BROWSER.layers[layer]);
    return new Promise((resolve, reject) => {
      const script = el("script", { src: `data/layer-${String(layer).padStart(2, "0")}.js` });
      script.onload = () => { BROWSER.layers[layer].forEach(spellOut); resolve(BROWSER.layers[layer]); };
      script.onerror = () => reject(new Error(`data of layer ${layer} is not in this folder; copy the whole folder`));
      document.head.append(script);
    });
  }

  /* What a spreadsheet would run, as stores/cells.py has it for other tables: an apostrophe before it makes it text. */
  const FORMULA = /^'*[\s\x1c-\x1f\x85]*(?:[=@].|[+-][^(|!A-Za-z_]*[A-Za-z_][^(|!]*[(|!])/s;
  function download(name, header, rows) {
    const text_of = cell => (cell === null || cell === undefined ? "" : String(cell).replace(/[\t\r\n]/g, " "));
    const clean = cell => text_of(cell).replace(FORMULA, "'$&");
    const text = [header, ...rows].map(row => row.map(clean).join("\t") + "\n").join("");
    const address = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  /* ---- sound ---- */
  let until = null, wanted = null;
  function play(source, from, to, words) {
    const file = `speech/${source}.mp3`;
    document.getElementById("player").hidden = false;
    document.getElementById("playing").textContent = words;
    wanted = { file, from: from + index.delay };
    until = to === null ? null : to + index.delay;
    const start = () => {
      if (wanted.file !== file) return;
      audio.currentTime = wanted.from;
      audio.play().catch(() => {});
    };
    if (audio.getAttribute("src") !== file) {
      audio.setAttribute("src", file);
      audio.addEventListener("loadedmetadata", start, { once: true });
      audio.load();
    } else if (audio.readyState >= 1) start();
  }
  function watch() {
    if (until !== null && !audio.paused && audio.currentTime >= until) { audio.pause(); until = null; }
    requestAnimationFrame(watch);
  }
  watch();
  function playExample(layer, example, whole) {
    const [, at, frame, phone, , , clip] = example, moment = (frame + 0.5) * 0.02;
    const words = `${utterances[at][0]}, ${moment.toFixed(2)} s, ${phone}`;
    if (index.audio === "utterances") play(at, whole ? 0 : Math.max(0, moment - 0.2), whole ? null : moment + 0.2, words);
    if (index.audio === "clips") play(`layer-${String(layer).padStart(2, "0")}`, (clip + 0.5) * index.clip - 0.2, (clip + 0.5) * index.clip + 0.2, words);
  }

  /* ---- one example ---- */
  function exampleCard(layer, example) {
    const [kind, at, frame, phone, f0, value, , low, high, curve] = example;
    const [name, speaker, gender, words, seconds, segments] = utterances[at];
    const n = 2 * index.curve + 1, first = frame - index.curve, width = 246, step = width / n;
    const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    const height = code => 94 - 92 * digits.indexOf(code) / 63;
    let path = "", pen = "M";
    [...curve].forEach((code, place) => {
      if (code === " ") { pen = "M"; return; }
      path += `${pen}${(place + 0.5).toFixed(1)},${height(code).toFixed(1)}`;
      pen = "L";
    });
    const over = Plots.svg("svg", { viewBox: `0 0 ${n} 96`, preserveAspectRatio: "none", "aria-hidden": "true" },
      Plots.svg("line", { x1: index.curve + 0.5, x2: index.curve + 0.5, y1: 0, y2: 96, class: "now" }),
      Plots.svg("path", { d: path, class: "curve" }));
    const strip = el("div", { class: "strip" });
    segments.forEach(([label, start], place) => {
      const end = place + 1 < segments.length ? segments[place + 1][1] : Math.round(seconds / 0.02);
      const from = Math.max(start, first), to = Math.min(end, first + n);
      if (to > from) strip.append(el("span", { class: start <= frame && frame < end ? "here" : "", style: `left:${(from - first) / n * 100}%;width:${(to - from) / n * 100}%` }, label));
    });
    const perSecond = 50 / n * 100; // of the window's width, in percent
    const image = el("div", { class: "spectrogram", style: `background-image:url(speech/${at}.webp);background-size:${seconds * perSecond}% 100%;background-position:${position(seconds * perSecond, first * 0.02 * perSecond)}% 0` });
    const moment = ((frame + 0.5) * 0.02).toFixed(2);
    return el("div", { class: "example" },
      el("div", { class: "window", role: "img", "aria-label": `Spectrogram of 0.8 s around ${moment} s of ${name}; the neuron's activation over it; phone ${phone}` }, image, over, strip),
      el("div", { class: "buttons" },
        index.audio !== "none" && el("button", { type: "button", class: "play", "aria-label": `Play here: 0.4 s around ${moment} s of ${name}, phone ${phone}`, onclick: () => playExample(layer, example, false) }, mark(), "here"),
        index.audio === "utterances" && el("button", { type: "button", "aria-label": `Play whole utterance ${name}`, onclick: () => playExample(layer, example, true) }, mark(), "whole")),
      el("p", {}, el("strong", {}, phone), ` · activation ${short(value)}${!index.f0 ? "" : f0 === null ? " · unvoiced" : ` · ${f0} Hz`}`),
      el("p", {}, `${name}, ${moment} s · speaker ${speaker}${gender ? ", " + gender : ""}`),
      words && el("p", { class: "words" }, words.length > 110 ? words.slice(0, 110) + "…" : words),
      el("p", { class: "note" }, `curve from ${short(low)} to ${short(high)}`));
  }
  /* A background's position in percent counts what does not fit; the image starts `offset` (percent of the window) left of it. */
  const position = (size, offset) => (Math.abs(size - 100) < 1e-9 ? 0 : offset / (size - 100) * 100);

  /* ---- a table that sorts; of very many rows the first ---- */
  const MOST_ROWS = 3000;
  function sortedTable(caption, columns, rows, state, change) {
    const place = columns.findIndex(column => column.key === state.sort);
    if (place >= 0) {
      const of = row => columns[place].value(row), up = state.down ? -1 : 1;
      rows = [...rows].sort((a, b) => {
        const x = of(a), y = of(b);
        if (x === null || x === undefined) return y === null || y === undefined ? 0 : 1;
        if (y === null || y === undefined) return -1;
        return (typeof x === "string" ? x.localeCompare(y) : x - y) * up;
      });
    }
    const head = columns.map((column, at) => el("th", { scope: "col", class: column.text ? "text" : "", title: column.title, "aria-sort": at === place ? (state.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", onclick: () => change({ sort: column.key, down: at === place ? !state.down : !column.text }) }, column.name)));
    const body = rows.slice(0, MOST_ROWS).map(row => el("tr", {}, columns.map(column => el("td", { class: column.text ? "text" : "" }, column.show ? column.show(row) : column.text ? column.value(row) : number(column.value(row))))));
    return { node: el("div", { class: "scroll" }, el("table", {}, el("caption", { class: "note" }, caption), el("thead", {}, el("tr", {}, head)), el("tbody", {}, body))), rows };
  }

  /* ---- pages ---- */
  function overview() {
    const layers = index.layers.map(([layer]) => layer);
    const plots = properties.map((name, number) => {
      const one = index.properties[name], kind = number % 6, total = one.null.filter(row => row[1] === "");
      const at = (rows, place) => layers.map(layer => { const row = rows.find(found => found[0] === layer); return row ? row[place] : null; });
      const series = [{ name: "|P|", kind, values: at(one.sizes, 4) }];
      if (total.length) series.push({ name: "null (mean, 95 %)", kind, dash: true, values: at(total, 3), low: at(total, 4), high: at(total, 5) });
      return el("div", {}, el("h3", {}, link(toProperty(name), name)),
        Plots.lines(`Number of ${name} neurons by layer, with the null`, layers, series, { bottom: "layer" }));
    });
    const silhouettes = properties.filter(name => index.properties[name].silhouettes.length).map((name, kind) => ({
      name, kind: kind % 6, values: layers.map(layer => { const row = index.properties[name].silhouettes.find(found => found[0] === layer); return row ? row[1] : null; }) }));
    return [
      el("h1", {}, `Neurons of ${index.model} on ${index.corpus}`),
      el("p", {}, "A neuron is one coordinate between the two linear maps of a Transformer block's feed-forward network. In each 20 ms frame of speech the most active few (a share λ of them) count as active. A neuron that is active in more than a share λ of a phone's frames belongs to the phone's activation pattern. A neuron that is in the patterns of most phones (a share σ) of one group, such as vowels or female speakers, and of no other group to that extent, is a property neuron of that group."),
      el("p", {}, "Whether to believe it: the null says how many such neurons meaningless labels would give; q is the false discovery rate at which a neuron would be called more than chance; selection is how often it is found again in other samples of speakers; the held-out AUROC (0.5 is chance) says how well it tells its group from the others on speakers who were not used to find it."),
      el("h2", {}, "Layers"),
      el("ul", { class: "chips" }, index.layers.map(([layer, site, width, pages]) => el("li", {}, link(toLayer(layer), `Layer ${layer}`), ` ${width} neurons, ${pages} with sounds`))),
      el("h2", {}, "How many property neurons"),
      el("div", { class: "plots" }, plots),
      el("p", { class: "note" }, "Solid: the property neurons, |P|. Dashed, with its band: mean and middle 95 % of the number found when labels are dealt at random. A curve inside the band shows no more neurons than chance."),
      el("h2", {}, "How well groups separate"),
      figure(Plots.lines("Silhouette of the activation patterns by layer", layers, silhouettes, { bottom: "layer", zero: false }), "Silhouette of the activation patterns in the plane, mean over seeds: 1 is well separated groups, 0 none."),
      legend(silhouettes.map(one => one.name), true),
      el("h2", {}, "Properties"),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, ["property", "groups", "property neurons", "under the null", "rare cells"].map((name, at) => el("th", { scope: "col", class: at < 2 ? "text" : "" }, name)))),
        el("tbody", {}, properties.map(name => {
          const one = index.properties[name], total = one.null.filter(row => row[1] === "" && layers.includes(row[0]));
          const first = new Map(one.sizes.map(row => [row[0], row[4]]));
          return el("tr", {}, el("td", { class: "text" }, link(toProperty(name), name)),
            el("td", { class: "text" }, one.groups.length > 6 ? `${one.groups.length} groups` : one.groups.join(", ")),
            el("td", {}, [...first.values()].reduce((a, b) => a + b, 0)),
            el("td", {}, total.length && total.every(row => row[3] !== null) ? short(total.reduce((a, row) => a + row[3], 0)) : "–"),
            el("td", {}, `${one.rare[0]} of ${one.rare[1]}`));
        })))),
      el("p", { class: "note" }, "A cell is a phone in a group. In a rare cell (fewer than 1/λ frames) one hit makes a neuron part of the pattern."),
      el("h2", {}, "Settings"),
      el("dl", {}, index.settings.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]), el("dt", {}, "speech to look at"), el("dd", {}, `${index.minutes} minutes, ${utterances.length} utterances: examples, histograms and sounds come from these`), el("dt", {}, "the sounds"), el("dd", {}, index.licence)),
    ];
  }

  const COLUMNS = [
    { key: "neuron", name: "neuron", value: row => row.n, show: row => link(toNeuron(row.layer, row.n), row.n) },
    { key: "property", name: "property", text: true, value: row => row.set ? row.set.property : null },
    { key: "group", name: "group", text: true, value: row => row.set ? row.set.group : null },
    { key: "phone", name: "phone", text: true, title: "the phone in which it is most often active", value: row => (row.active ? phones[row.best] : null) },
    { key: "top", name: "p(active | phone)", value: row => share(row.p[row.best]) },
    { key: "active", name: "how often active", title: "share of all frames of phones", value: row => row.active },
    { key: "share", name: "share", title: "share of the group's phones whose pattern it is in", value: row => row.set ? row.set.share : null },
    { key: "p", name: "p", value: row => row.set ? row.set.p : null },
    { key: "q", name: "q", title: "false discovery rate", value: row => row.set ? row.set.q : null },
    { key: "selection", name: "selection", title: "how often it is found in other samples of speakers", value: row => row.set ? row.set.selection : null },
    { key: "auroc", name: "held-out AUROC", title: "on speakers not used to find it", value: row => row.set ? row.set.auroc : null },
    { key: "entropy", name: "entropy", title: "of its activity over groups, in bits: 0 is active in one group alone", value: row => row.set ? row.set.entropy : null },
  ];

  function layerRows(layer, neurons) {
    return neurons.flatMap(one => {
      const base = { ...one, layer }, sets = (one.sets || []).filter(set => set.exclusive);
      return sets.length ? sets.map(set => ({ ...base, set })) : [base];
    }).sort((a, b) => Boolean(b.set) - Boolean(a.set));
  }

  function filtersOf(query) {
    return { text: query.get("find") || "", property: query.get("property") || "", group: query.get("group") || "", q: query.get("q") || "", sort: query.get("sort") || "", down: query.get("down") === "1" };
  }
  function writeFilters(base, state) {
    const query = new URLSearchParams();
    for (const [key, name] of [["text", "find"], ["property", "property"], ["group", "group"], ["q", "q"], ["sort", "sort"]]) if (state[key]) query.set(name, state[key]);
    if (state.down) query.set("down", "1");
    history.replaceState(null, "", base + (String(query) ? `?${query}` : ""));
  }
  function keeps(state, n, phone, property, group, q) {
    const words = state.text.trim().toLowerCase();
    return (!words || String(n) === words || phone.toLowerCase() === words || property.toLowerCase().includes(words) && words.length > 1 || group.toLowerCase() === words)
      && (!state.property || property === state.property) && (!state.group || group === state.group)
      && (!state.q || (q !== null && q !== undefined && q <= Number(state.q)));
  }
  const options = (names, chosen) => [el("option", { value: "" }, "any"), ...names.map(name => el("option", { value: name, selected: name === chosen }, name))];
  function groupOptions(state) {
    const groups = (state.property ? [state.property] : properties).flatMap(name => (index.properties[name] || { groups: [] }).groups);
    return options([...new Set(groups)], state.group);
  }
  function filterForm(state, change) {
    const choose = (name, key, within) => el("label", {}, name, el("select", { name: key, onchange: event => change({ [key]: event.target.value, ...(key === "property" ? { group: "" } : {}) }) }, within));
    return el("form", { onsubmit: event => event.preventDefault() },
      el("label", {}, "neuron, phone or group", el("input", { type: "search", name: "find", value: state.text, oninput: event => change({ text: event.target.value }) })),
      choose("property", "property", options(properties, state.property)), choose("group", "group", groupOptions(state)),
      el("label", {}, "q at most", el("input", { type: "number", name: "q", min: 0, max: 1, step: "any", value: state.q, oninput: event => change({ q: event.target.value }) })));
  }

  function listPage(base, query, rows, columns, name, caption, besides = () => []) {
    const state = filtersOf(query), table = el("div", {}), form = el("div", {});
    let found = [];
    const status = el("p", { role: "status", class: "note" }), more = el("div", {});
    const draw = () => {
      const kept = rows.filter(row => keeps(state, row.n, row.active ? phones[row.best] : "", row.set ? row.set.property : "", row.set ? row.set.group : "", row.set ? row.set.q : null));
      const made = sortedTable(caption, columns, kept, state, change);
      found = made.rows;
      table.replaceChildren(made.node);
      more.replaceChildren(...besides(state));
      status.textContent = `${kept.length} of ${rows.length} rows` + (kept.length > MOST_ROWS ? `; the first ${MOST_ROWS} are shown: filter further, or download all` : "");
      writeFilters(base, state);
    };
    function change(part) {
      Object.assign(state, part);
      draw();
      // The choice of groups alone, so that the keyboard stays where it is.
      if ("property" in part) form.querySelector("select[name=group]").replaceChildren(...groupOptions(state));
      if ("sort" in part) table.querySelector(`th[aria-sort=ascending] button, th[aria-sort=descending] button`).focus();
    }
    form.append(filterForm(state, change));
    draw();
    return [form, el("p", {}, el("button", { type: "button", id: "download", onclick: () => download(name, ["layer", ...columns.map(column => column.key)], found.map(row => [row.layer, ...columns.map(column => column.value(row))])) }, "Download all of these rows (TSV)")), status, more, table];
  }

  function heatMap(layer, neurons) {
    const ever = neurons.filter(one => one.p.some(value => value > 0));
    const order = ever.sort((a, b) => a.best - b.best || b.p[b.best] - a.p[a.best]);
    const cell = Math.max(20, Plots.widest(phones) + 4), tall = Math.max(3, Math.min(10, Math.floor(1600 / Math.max(1, order.length)))), wide = phones.length * cell + 2;
    // Labels of their own: they stay in sight while the rows scroll.
    const labels = el("div", { class: "heads", style: `width:${wide}px`, "aria-hidden": "true" }, phones.map(phone => el("span", { style: `width:${cell}px` }, phone)));
    const canvas = el("canvas", { width: wide, height: order.length * tall, role: "img", "aria-label": `Probability of being active of ${order.length} neurons by phone; the table below has the numbers` });
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colours = kindOfPhone.map(kind => style.getPropertyValue(`--c${kind % 6}`));
    order.forEach((one, row) => {
      // Neurons that are never active are not among these.
      const scale = Math.max(...one.p);
      one.p.forEach((value, at) => {
        pen.globalAlpha = value / scale;
        pen.fillStyle = colours[at];
        pen.fillRect(at * cell, row * tall, cell - 1, tall);
      });
    });
    canvas.addEventListener("click", event => {
      const row = Math.floor(event.offsetY / tall);
      if (order[row]) location.hash = toNeuron(layer, order[row].n);
    });
    canvas.addEventListener("mousemove", event => {
      const one = order[Math.floor(event.offsetY / tall)], at = Math.floor(event.offsetX / cell);
      canvas.title = one && phones[at] ? `neuron ${one.n}, ${phones[at]}: ${percent(share(one.p[at]))}` : "";
    });
    return el("figure", {}, el("div", { class: "heat", tabindex: 0, role: "group", "aria-label": "heat map, scrolls" }, labels, canvas), legend(classes),
      el("figcaption", {}, "Each row is a neuron, ordered by the phone in which it is most often active; each column a phone. The darker, the more often it is active there, as a share of its largest probability. A click opens the neuron. Neurons that are never active are left out."));
  }

  async function layerPage(layer, query, left) {
    const neurons = await load(layer), [, site, width, pages] = index.layers.find(row => row[0] === layer);
    // Its list writes the address, which is another page's by now.
    if (left()) return [];
    return [
      el("h1", {}, `Layer ${layer}`),
      el("p", { class: "note" }, `Feed-forward network ${site}: ${width} neurons. A neuron in sets of several properties has a row for each. ${pages} have a page with sounds: the property neurons, and some at random; of the others their page says when they are active.`),
      el("h2", {}, "By phone"), heatMap(layer, neurons),
      el("h2", {}, "Neurons"), ...listPage(toLayer(layer), query, layerRows(layer, neurons), COLUMNS, `${index.model}-${index.corpus}-layer-${layer}.tsv`, "Property neurons come first. A click on a column sorts by it."),
    ];
  }

  function searchPage(query) {
    const rows = index.neurons.flatMap(([layer, n, active, at, sets]) => {
      const base = { layer, n, active, best: at }, own = sets.filter(set => set[2]).map(([property, group, , q, auroc]) => ({ ...base, set: { property, group, q, auroc } }));
      return own.length ? own : [base];
    });
    const columns = [{ key: "layer", name: "layer", value: row => row.layer, show: row => link(toLayer(row.layer), row.layer) }, ...COLUMNS.filter(column => ["neuron", "property", "group", "phone", "active", "q", "auroc"].includes(column.key))];
    const others = state => /^\s*\d+\s*$/.test(state.text) ? [el("p", {}, `Neuron ${Number(state.text)}, in a set or not: `, index.layers.filter(row => Number(state.text) < row[2]).map(([layer]) => [link(toNeuron(layer, Number(state.text)), `layer ${layer}`), " "]))] : [];
    return [el("h1", {}, "Search"), el("p", {}, "All neurons with a page, by number, phone, property or group. The address keeps the search: bookmark it, or send it."),
      ...listPage("#/search", query, rows, columns, `${index.model}-${index.corpus}-search.tsv`, "A click on a column sorts by it.", others)];
  }

  async function propertyPage(name) {
    const one = index.properties[name], layers = index.layers.map(([layer]) => layer);
    const sizes = group => layers.map(layer => { const row = one.sizes.find(found => found[0] === layer && found[1] === group); return row ? row[3] : 0; });
    const many = one.groups.length > 6;
    const plot = many ? null : Plots.lines(`Group neurons of ${name} by layer`, layers, one.groups.map((group, kind) => ({ name: group, kind, values: sizes(group) })), { bottom: "layer" });
    const points = one.points.map(([group, phone, x, y]) => ({ x, y, word: phone, kind: Math.max(0, one.groups.indexOf(group)) % 6, title: `${phone}, ${group}` }));
    const candidates = index.neurons.flatMap(([layer, n, , , sets]) => sets.filter(set => set[0] === name && set[2]).map(set => ({ layer, n, group: set[1], q: set[3], auroc: set[4] })));
    const wanted = [...new Set(candidates.map(row => row.layer))];
    await Promise.all(wanted.map(load));
    for (const row of candidates) {
      row.neuron = BROWSER.layers[row.layer].find(found => found.n === row.n);
      row.set = row.neuron.sets.find(set => set.property === name && set.exclusive);
    }
    const strength = row => row.set.effect ?? row.set.share;
    candidates.sort((a, b) => (b.q !== null && b.q <= 0.05) - (a.q !== null && a.q <= 0.05) || strength(b) - strength(a) || a.layer - b.layer || a.n - b.n);
    const chosen = candidates.slice(0, 20);
    return [
      el("h1", {}, `Property: ${name}`),
      el("p", {}, many ? `${one.groups.length} groups.` : `Groups: ${one.groups.join(", ")}.`, ` ${one.rare[0]} of ${one.rare[1]} cells are rare.`),
      !many && el("h2", {}, "Group neurons by layer"), !many && figure(plot, "How many neurons each group has."), !many && legend(one.groups, true),
      el("h2", {}, "How far the sets can be believed"),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, ["layer", "group", "neurons", "under the null", "p", "Jaccard", "Nogueira", "AUROC"].map((head, at) => el("th", { scope: "col", class: at === 1 ? "text" : "" }, head)))),
        el("tbody", {}, layers.flatMap(layer => [...(many ? [] : one.groups), ""].map(group => {
          const base = one.null.find(row => row[0] === layer && row[1] === group), hold = one.stability.find(row => row[0] === layer && row[1] === group);
          const own = one.sizes.filter(row => row[0] === layer);
          return el("tr", {}, el("td", {}, link(`${toLayer(layer)}?property=${encodeURIComponent(name)}`, layer)), el("td", { class: "text" }, group || "all together"),
            el("td", {}, group ? number((own.find(row => row[1] === group) || [])[3]) : number((own[0] || [])[4])),
            el("td", {}, number(base && base[3])), el("td", {}, number(base && base[6])), el("td", {}, number(hold && hold[2])), el("td", {}, number(hold && hold[3])), el("td", {}, number(hold && hold[4])));
        }))))),
      el("p", { class: "note" }, "Jaccard and Nogueira: how alike the sets of two halves of the speakers are (1 the same, 0 as by chance for Nogueira). AUROC: median over the set, on the half that was not used."),
      points.length > 0 && [el("h2", {}, `Activation patterns of layer ${one.best}`), figure(Plots.plane(`Activation patterns of layer ${one.best} in the plane`, points), "Each word is the pattern of a phone in a group; patterns that share neurons lie close (multidimensional scaling, first seed). The layer with the highest silhouette."), !many && legend(one.groups)],
      el("h2", {}, `The most selective neurons: listen`),
      el("p", { class: "note" }, "Those with q of at most 0.05 first, then by effect: how much more often the neuron is active in its group than in the others. Of each, its two strongest moments."),
      chosen.length ? chosen.map(row => el("section", {}, el("h3", {}, link(toNeuron(row.layer, row.n), `Layer ${row.layer}, neuron ${row.n}`), ` · ${row.group} · effect ${number(row.set.effect)} · q ${number(row.q)} · AUROC ${number(row.auroc)}`),
        el("div", { class: "examples" }, row.neuron.examples.filter(example => example[0] === "strongest").slice(0, 2).map(example => exampleCard(row.layer, example))))) : el("p", {}, "No neuron is in a set of this property."),
    ].flat();
  }

  const OF_NONE = `No property neuron of the properties of these pages (${properties.join(", ")})`;
  const HEADINGS = { "strongest": "Where it is strongest", "quarter 4": "Strongest quarter of its active frames", "quarter 3": "Third quarter", "quarter 2": "Second quarter", "quarter 1": "Weakest quarter of its active frames", "random": "Active, at random", "counter-example": "Counter-examples: the right sound, and the neuron is silent" };
  const SETS = [["share", "share", "of the group's phones whose pattern it is in"], ["effect", "effect", "p(active) in the group minus that in the others, mean over phones"], ["p", "p", ""], ["q", "q", "false discovery rate"], ["selection", "selection", "how often it is found in other samples of speakers"], ["auroc", "held-out AUROC", ""], ["entropy", "entropy", "of its activity over groups, in bits: 0 is active in one group alone"]];

  /* What pruning and edits did to a neuron, and what erasing its sets did. */
  const DONE = { kept: there => `stays, as neuron ${there}`, removed: () => "was removed", untouched: () => "was left as it is", zero: () => "was erased (its activation is 0)" };
  function became(one, sets) {
    const made = one.derived || [], rows = index.erasures.filter(([property, group]) => sets.some(set => set.property === property && set.group === group));
    if (!made.length && !rows.length) return [];
    const range = (value, low, high) => value === null ? "–" : `${short(value)} (${number(low)} to ${number(high)})`;
    return [
      el("h2", {}, "What became of it"),
      made.length > 0 && el("ul", {}, made.map(([model, done, there]) => el("li", {}, `${model}: it ${(DONE[done] || (() => `was edited (${done})`))(there)}.`))),
      ...(rows.length ? [
        el("p", {}, "What it did to a task's errors to erase all neurons of its group, in a model fine-tuned on the task. These sets are found in that model, so that this neuron, by its number, may be missing from them."),
        el("div", { class: "scroll" }, el("table", { id: "erased" },
          el("thead", {}, el("tr", {}, ["study", "erased", "neurons", "errors of", "before", "change (95 %)", "random neurons", "against random"].map((name, at) => el("th", { scope: "col", class: [0, 1, 3].includes(at) ? "text" : "" }, name)))),
          el("tbody", {}, rows.map(([property, group, study, , metric, unit, sigma, erased, part, old, , delta, low, high, random, beyond]) => el("tr", {},
            el("td", { class: "text" }, `${study}, ${metric.replaceAll("_", " ")} (${unit})`), el("td", { class: "text" }, `${property} ${group}, σ ${number(sigma)}`), el("td", {}, number(erased)), el("td", { class: "text" }, part === "own" ? group : part),
            el("td", {}, number(old)), el("td", {}, range(delta, low, high)), el("td", {}, number(random)), el("td", {}, random === null ? "–" : beyond || "not shown")))))),
      ] : []),
    ].filter(Boolean);
  }

  async function neuronPage(layer, n) {
    const neurons = await load(layer), one = neurons.find(found => found.n === n), title = el("h1", {}, `Layer ${layer}, neuron ${n}`);
    if (!one) return [title, el("p", {}, `There is no such neuron; layer ${layer} has neurons 0 to ${neurons[neurons.length - 1].n}.`), el("p", {}, link(toLayer(layer), `Layer ${layer}`))];
    const paged = neurons.filter(found => found.sets), before = paged.findLast(found => found.n < n), after = paged.find(found => found.n > n);
    const steps = el("p", { class: "steps" }, before ? el("a", { href: toNeuron(layer, before.n), rel: "prev" }, `← neuron ${before.n}`) : null, link(toLayer(layer), `Layer ${layer}`), after ? el("a", { href: toNeuron(layer, after.n), rel: "next" }, `neuron ${after.n} →`) : null);
    const often = el("p", {}, `Active in ${percent(one.active)} of the frames of phones.`);
    if (!one.sets) return [title, steps, el("p", {}, `${OF_NONE}, and not among those chosen at random: here is when it is active; “browser.neurons: all” in the config makes a whole page, with sounds, for each neuron.`), often, ...became(one, []),
      el("h2", {}, "When it is active, by phone"), figure(Plots.bars("Probability of being active by phone", phones.map((phone, place) => ({ label: phone, kind: kindOfPhone[place], bars: [{ p: share(one.p[place]) }] })), index.lambda, "λ"), "Probability that the neuron is among the most active, by phone. Dashed: λ, what a neuron picked blindly would have."), legend(classes)];
    const sets = one.sets.filter(set => set.exclusive), members = one.sets.filter(set => !set.exclusive);
    const rows = phones.map((phone, place) => ({ label: phone, kind: kindOfPhone[place], bars: [{ p: share(one.p[place]), low: share(one.low[place]), high: share(one.high[place]) }] }));
    const panels = [...new Set(one.panels.map(([property]) => property))].map(property => {
      const own = one.panels.filter(panel => panel[0] === property);
      const dots = phones.map((phone, place) => ({ label: phone, kind: 0, bars: own.map(([, group, p], kind) => ({ name: group, kind: kind % 6, p: share(p[place]) })) })).filter(row => row.bars.some(bar => bar.p !== null));
      return [el("h3", {}, property), figure(Plots.bars(`Probability of being active by phone and ${property}`, dots, index.lambda, "λ")), legend(own.map(([, group]) => group), true)];
    });
    const withGroups = [...new Set(one.groups.map(([property]) => property))];
    const histograms = withGroups.filter(property => one.groups.some(row => row[0] === property && row[6].length)).map(property => {
      const own = one.groups.filter(row => row[0] === property), bins = own[0][6].length;
      const places = Array.from({ length: bins }, (_, bin) => short(one.ends[0] + (bin + 0.5) / bins * (one.ends[1] - one.ends[0])));
      const series = own.map(([, group, , , , , counts], kind) => { const total = counts.reduce((a, b) => a + b, 0); return { name: group, kind: kind % 6, values: counts.map(count => (total ? count / total : null)) }; });
      return el("div", {}, el("h3", {}, property), Plots.lines(`Histogram of the activation by ${property}`, places, series, { bottom: "activation", root: true }), legend(own.map(row => row[1]), true),
        el("p", { class: "note" }, own.map(row => `${row[1]}: mean ${number(row[4])}, ${percent(share(row[5]))} above`).join("; ")));
    });
    const within = new Set(one.panels.map(([property]) => property));
    const others = withGroups.filter(property => !within.has(property)).map(property => {
      const own = one.groups.filter(row => row[0] === property && row[3] !== null).sort((a, b) => b[3] - a[3]).slice(0, 6);
      return el("li", {}, `${property}: most often `, own.map(row => `${row[1]} (${percent(share(row[3]))} of ${row[2]} frames)`).join(", "));
    });
    const course = Plots.lines("Probability of being active around the onset of a phone", Array.from({ length: 11 }, (_, place) => (place - 5) * 20), one.course.map(([phone, p], kind) => ({ name: phone, kind, values: p.map(share) })), { bottom: "ms from the phone's onset" });
    const near = ["Active together (Jaccard)", "Most similar weights in (cosine)", "Most similar weights out (cosine)"].map((title, place) => el("div", {}, el("h3", {}, title),
      el("ul", { class: "chips" }, one.near[place].map(([other, like]) => el("li", {}, link(toNeuron(layer, other), other), ` ${short(like)}`)))));
    const kinds = [...new Set(one.examples.map(example => example[0]))];
    return [
      title, steps,
      el("h2", {}, "Where it belongs"),
      sets.length ? el("div", { class: "scroll" }, el("table", { id: "sets" }, el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "text" }, "property"), el("th", { scope: "col", class: "text" }, "group"), SETS.map(([, name, title]) => el("th", { scope: "col", title }, name)))),
        el("tbody", {}, sets.map(set => el("tr", {}, el("td", { class: "text" }, link(toProperty(set.property), set.property)), el("td", { class: "text" }, set.group), SETS.map(([key]) => el("td", {}, number(set[key])))))))) : el("p", {}, OF_NONE, one.chosen === "random" ? ": chosen at random, for comparison." : "."),
      sets.some(set => set.q > 0.05) && el("p", { class: "warn" }, `${sets.filter(set => set.q > 0.05).map(set => `${set.property} ${set.group}`).join(", ")}: q is above 0.05. Of the neurons of this layer and property that are at least as far from what meaningless labels give, more than 5 % may be chance.`),
      members.length > 0 && el("p", { class: "note" }, "Also in the patterns of groups that it shares with others: ", members.slice(0, 12).map(set => `${set.property} ${set.group}`).join(", "), members.length > 12 ? ` and ${members.length - 12} more` : "", "."),
      often, ...became(one, sets),
      el("h2", {}, "When it is active, by phone"),
      figure(Plots.bars("Probability of being active by phone", rows, index.lambda, "λ"), "Probability that the neuron is among the most active, by phone, with 95 % intervals over speakers. Dashed: λ, what a neuron picked blindly would have."), legend(classes),
      panels.length > 0 && el("details", { open: true }, el("summary", {}, "By phone within groups"), panels.flat()),
      others.length > 0 && el("ul", {}, others),
      el("h2", {}, "How strongly it is active"), el("div", { class: "plots" }, histograms), el("p", { class: "note" }, "Share of each group's frames by activation, on a square-root scale. “Above” is the share above the neuron's own 95th percentile."),
      el("h2", {}, "When, around a phone's onset"), figure(course, "The three phones in which it is most often active. The onset is at 0."), legend(one.course.map(([phone]) => phone), true),
      el("h2", {}, "Listen"), el("p", { class: "note" }, "Grey: spectrogram, 0.8 s. Orange: the neuron's activation. “Here” plays 0.4 s around the frame, the space key the first one."),
      kinds.flatMap(kind => [el("h3", {}, HEADINGS[kind] || kind), el("div", { class: "examples" }, one.examples.filter(example => example[0] === kind).map(example => exampleCard(layer, example)))]),
      el("h2", {}, "Neurons like it"), ...near,
    ].flat();
  }

  /* ---- where we are ---- */
  function navigation(path) {
    const here = to => (path === to || (to !== "#/" && path.startsWith(to + "/")) ? "page" : null);
    const item = (to, words) => el("a", { href: to, "aria-current": here(to) }, words);
    document.getElementById("nav").replaceChildren(item("#/", "Overview"), el("span", {}, "Layers"), ...index.layers.map(([layer]) => item(toLayer(layer), layer)), el("span", {}, "Properties"), ...properties.map(name => item(toProperty(name), name)), item("#/search", "Search"));
  }

  let turn = 0;
  async function show() {
    const mine = ++turn, hash = location.hash || "#/", [path, search] = hash.split("?"), query = new URLSearchParams(search || "");
    const parts = path.slice(2).split("/").map(part => { try { return decodeURIComponent(part); } catch { return part; } });
    let made;
    try {
      if (parts[0] === "layer" && index.layers.some(row => row[0] === Number(parts[1]))) made = parts[2] === "neuron" ? await neuronPage(Number(parts[1]), Number(parts[3])) : await layerPage(Number(parts[1]), query, () => mine !== turn);
      else if (parts[0] === "property" && Object.hasOwn(index.properties, parts[1])) made = await propertyPage(parts[1]);
      else if (parts[0] === "search") made = searchPage(query);
      else made = overview();
    } catch (error) {
      made = [el("h1", {}, "Not shown"), el("p", {}, error.message)];
    }
    if (mine !== turn) return;
    navigation(path);
    main.replaceChildren(...made.filter(Boolean));
    document.title = `${main.querySelector("h1").textContent} · ${index.model}`;
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
    main.dataset.ready = hash;
  }

  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const at = event.target.closest("input, select, button, audio, a, summary");
    const free = !at || (at.matches("a") && event.key.startsWith("Arrow")) || (at.matches("button.play, .example button") && event.key === " " && !audio.paused);
    if (!free) return;
    const step = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    const to = step && main.querySelector(`a[rel=${step}]`);
    if (to) { event.preventDefault(); location.hash = to.getAttribute("href"); }
    if (event.key === " ") {
      if (!audio.paused) { event.preventDefault(); audio.pause(); return; }
      const first = main.querySelector("button.play");
      if (first) { event.preventDefault(); first.click(); }
    }
  });
  document.querySelector("a.skip").addEventListener("click", event => {
    // Its address would be that of another page.
    event.preventDefault();
    main.focus();
  });
  window.addEventListener("hashchange", show);
  show();
})();
