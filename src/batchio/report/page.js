"use strict";
// The table of all tasks: unpacks the columns, and filters and sorts them by their numbers.
(async () => {
  const at = (id) => document.getElementById(id);
  const text = at("data").textContent;
  if (!text || typeof DecompressionStream === "undefined") return;
  const squeezed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([squeezed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = new DataView(data.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + size)));
  const KINDS = { d: Float64Array, B: Uint8Array, H: Uint16Array, i: Int32Array, h: Int16Array, I: Uint32Array };
  const count = head.count, col = {};
  let from = 4 + size;
  for (const [name, code, width] of head.columns) { // planes of bytes become numbers again
    const bytes = new Uint8Array(count * width);
    for (let plane = 0; plane < width; plane++)
      for (let row = 0; row < count; row++) bytes[row * width + plane] = data[from++];
    col[name] = new KINDS[code](bytes.buffer);
  }
  for (let row = 1; row < count; row++) col.id[row] += col.id[row - 1];
  const note = new Int32Array(count).fill(-1);
  head.notes.rows.reduce((row, step, place) => { note[row + step] = head.notes.which[place]; return row + step; }, 0);
  const lower = head.notes.texts.map((one) => one.toLowerCase());
  const PENDING = head.standings.indexOf("pending"), DONE = head.standings.indexOf("done");
  const took = (row) => (col.took[row] ? (col.took[row] - 1) * head.unit : -1);
  const ended = (row) => col.standing[row] > DONE && col.took[row] > 0;

  // ---- the filter language, as core/select.py has it
  const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  const seconds = (word, said) => {
    const parts = word.match(/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/) || word.match(/^\d+(\.\d+)?$/);
    if (!parts) throw new Error(`"${said}": "${word}" is not a duration; write 90s, 10m, 1h30m`);
    if (!/[a-z]/.test(word)) return Number(word);
    return [...word.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)].reduce((sum, [, n, unit]) => sum + n * UNITS[unit], 0);
  };
  const SIGNALS = { HUP: 1, INT: 2, QUIT: 3, ILL: 4, TRAP: 5, ABRT: 6, BUS: 7, FPE: 8, KILL: 9, USR1: 10, SEGV: 11, USR2: 12, PIPE: 13, ALRM: 14, TERM: 15, XCPU: 24, XFSZ: 25 };
  const names = Object.fromEntries(Object.entries(SIGNALS).map(([name, number]) => [number, name]));
  const exitOf = (word, said) => {
    const signal = SIGNALS[word.toUpperCase().replace(/^SIG/, "")];
    if (signal) return -signal;
    if (!/^-?\d+$/.test(word)) throw new Error(`"${said}": "${word}" is neither an exit code nor a signal`);
    return Number(word);
  };
  const ranges = (word, said) => word.split(",").map((part) => {
    const found = part.trim().match(/^(\d+)(?:-(\d+)(?::(\d+))?)?$/);
    if (!found) throw new Error(`"${said}": "${part}" is neither a task id nor a range`);
    return [Number(found[1]), Number(found[2] ?? found[1]), Number(found[3] ?? 1)];
  });
  const nodesOf = (name) => {
    const all = [...head.nodes.keys()];
    const exact = all.filter((n) => head.nodes[n] === name);
    const glob = new RegExp("^" + name.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".") + "$", "s");
    const fits = exact.length ? exact : all.filter((n) => glob.test(head.nodes[n]));
    return new Set(fits.length ? fits : all.filter((n) => head.nodes[n].includes(name)));
  };
  const KEYS = {
    node: (value) => { const sets = value.split(",").filter(Boolean).map(nodesOf); return (row) => sets.some((one) => one.has(col.node[row])); },
    exit: (value, said) => { const codes = value.split(",").map((one) => exitOf(one, said)); return (row) => ended(row) && codes.includes(col.exit[row]); },
    try: (value, said) => { if (!/^\d+$/.test(value)) throw new Error(`"${said}": "${value}" is no number of an attempt`); return (row) => col.attempt[row] >= Number(value); },
    id: (value, said) => { const wanted = ranges(value, said); return (row) => wanted.some(([a, b, step]) => col.id[row] >= a && col.id[row] <= b && (col.id[row] - a) % step === 0); },
  };
  const BAD = ["failed", "timed_out", "lost"];
  const standing = (words) => { const wanted = new Set(words.map((word) => head.standings.lastIndexOf(word)));
    return (row) => wanted.has(col.standing[row]) || (words.includes("done") && col.standing[row] >= DONE); };
  const words = (value) => { const low = value.toLowerCase(); const fits = lower.map((one) => one.includes(low));
    return (row) => note[row] >= 0 && fits[note[row]]; };
  const term = (said) => {
    const negated = said.length > 1 && said[0] === "!", bare = negated ? said.slice(1) : said, word = bare.replace(/-/g, "_");
    const keyed = bare.match(/^([a-z]+):(?!\/\/)(\S[\s\S]*)$/);
    let kind = null, fits;
    if (bare[0] === '"') fits = words(bare.replace(/^"|"$/g, ""));
    else if (bare === "bad") [kind, fits] = ["standing", standing(BAD)];
    else if (word && head.standings.includes(word)) [kind, fits] = ["standing", standing([word])];
    else if (">" === bare[0] && bare.length > 1) { const least = seconds(bare.slice(1), said); [kind, fits] = ["longer", (row) => took(row) >= least]; }
    else if ("<" === bare[0] && bare.length > 1) { const most = seconds(bare.slice(1), said); [kind, fits] = ["shorter", (row) => took(row) >= 0 && took(row) <= most]; }
    else if (keyed && KEYS[keyed[1]]) [kind, fits] = [keyed[1], KEYS[keyed[1]](keyed[2].replace(/^"|"$/g, ""), said)];
    else if (bare.endsWith(":") && KEYS[bare.slice(0, -1)]) throw new Error(`"${said}": a value is missing`);
    else fits = words(bare);
    return { kind, fits, negated };
  };
  const chosen = (filter) => {
    const kinds = new Map(), tests = [];
    for (const said of filter.match(/!?(?:[a-z]+:)?"[^"]*"?|\S+/g) ?? []) {
      const { kind, fits, negated } = term(said);
      if (negated) tests.push((row) => !fits(row));
      else if (kind === null) tests.push(fits);
      else kinds.set(kind, [...(kinds.get(kind) ?? []), fits]);
    }
    for (const some of kinds.values()) tests.push((row) => some.some((fits) => fits(row)));
    const rows = [];
    for (let row = 0; row < count; row++) if (tests.every((fits) => fits(row))) rows.push(row);
    return rows;
  };

  // ---- the table
  const lasted = (value) => {
    if (value < 0) return "";
    if (value < 1) return `${Math.max(Math.round(value * 1000), value > 0 ? 1 : 0)}ms`;
    if (value < 60) return `${+value.toFixed(1)}s`;
    const whole = Math.round(value), two = (n) => String(n).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
    return `${Math.floor(whole / 86400)}d ${two(Math.floor((whole % 86400) / 3600))}h`;
  };
  const moment = (row) => {
    const when = new Date((head.begin + (col.started[row] - 1) * head.unit) * 1000);
    return col.started[row] && !isNaN(when) ? when.toISOString().slice(0, 19).replace("T", " ") : "";
  };
  const ending = (row) => (!ended(row) ? "" : col.exit[row] < 0 ? `SIG${names[-col.exit[row]] ?? -col.exit[row]}` : String(col.exit[row]));
  const nodeName = (row) => head.nodes[col.node[row]] ?? "";
  const COLUMNS = [
    ["Task", (row) => col.id[row], (row) => String(col.id[row]), "n"],
    ["State", (row) => head.standings[col.standing[row]], (row) => head.standings[col.standing[row]].replace("_", " ")],
    ["Attempt", (row) => col.attempt[row], (row) => String(col.attempt[row]), "n"],
    ["Node", nodeName, nodeName],
    ["Started (UTC)", (row) => col.started[row] || null, moment, "time"],
    ["Took", (row) => (took(row) < 0 ? null : took(row)), (row) => lasted(took(row)), "n"],
    ["Exit", (row) => (ended(row) ? col.exit[row] : null), ending, "n"],
    ["Note", (row) => (note[row] < 0 ? null : head.notes.texts[note[row]]), (row) => (note[row] < 0 ? "" : head.notes.texts[note[row]])],
  ];
  const PORTION = 200;
  let rows = [], shown = 0, by = 0, backwards = false;
  const more = () => {
    const part = document.createDocumentFragment();
    for (const row of rows.slice(shown, shown + PORTION)) {
      const line = document.createElement("tr");
      COLUMNS.forEach(([, , written, kind], place) => {
        const cell = document.createElement(place ? "td" : "th");
        if (!place) cell.scope = "row";
        cell.className = place === 1 ? `state ${head.standings[col.standing[row]]}` : kind ?? "";
        cell.textContent = written(row);
        line.append(cell);
      });
      part.append(line);
    }
    at("rows").append(part);
    shown = Math.min(shown + PORTION, rows.length);
    at("more").hidden = shown >= rows.length;
    at("fit").textContent = `${rows.length.toLocaleString("en")} of ${count.toLocaleString("en")} tasks` + (shown < rows.length ? `, the first ${shown} are shown` : "");
  };
  const draw = () => {
    const key = COLUMNS[by][1], keys = new Map(rows.map((row) => [row, key(row)])), turn = backwards ? -1 : 1;
    rows.sort((a, b) => {
      const [one, other] = [keys.get(a), keys.get(b)];
      if (one === null || other === null) return (one === null) - (other === null) || a - b;
      return (one < other ? -turn : one > other ? turn : 0) || a - b;
    });
    [...at("heads").children].forEach((cell, place) => cell.setAttribute("aria-sort", place !== by ? "none" : backwards ? "descending" : "ascending"));
    at("rows").replaceChildren();
    shown = 0;
    more();
  };
  COLUMNS.forEach(([title, , , kind], place) => {
    const cell = document.createElement("th"), button = document.createElement("button");
    cell.scope = "col";
    cell.className = kind ?? "";
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => { backwards = by === place && !backwards; by = place; draw(); });
    cell.append(button);
    at("heads").append(cell);
  });
  const choose = () => {
    try {
      rows = chosen(at("filter").value);
      at("said").textContent = "";
    } catch (error) { // the table stays as it was
      at("said").textContent = error.message;
      return;
    }
    draw();
  };
  const linked = () => { // report.html#filter=failed
    if (!location.hash.startsWith("#filter=")) return;
    at("filter").value = decodeURIComponent(location.hash.slice(8));
    choose();
    at("tasks").scrollIntoView();
  };
  at("filter").addEventListener("input", choose);
  addEventListener("hashchange", linked);
  at("more").addEventListener("click", more);
  at("all").hidden = false;
  at("few").hidden = true;
  choose();
  linked();
})();
