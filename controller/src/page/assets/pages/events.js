// What happened on the farm, the newest first. What comes while somebody reads further down waits
// behind a button, so that nothing moves.

import { get } from "../api.js";
import { asCommand, quoted } from "../dialog.js";
import { h, show } from "../dom.js";
import { count, moment } from "../format.js";
import { hear } from "../loaded.js";
import { KINDS, TROUBLE, sentence } from "../sentences.js";

const PART = 200;
const MAX_SHOWN = 2_000;

export async function open(place) {
  const kind = h("select", { value: place.query.get("type") ?? "" }, h("option", { value: "" }, "All kinds"), KINDS.map(([type, words]) => h("option", { value: type }, words)));
  const rig = h("input", { value: place.query.get("peer") ?? "", placeholder: "name or node ID", autocomplete: "off", spellcheck: "false" });
  const text = h("input", { type: "search", value: place.query.get("text") ?? "", autocomplete: "off", spellcheck: "false" });
  const searched = h("span", {}, "Text");
  const labelled = (label, input) => h("label", { class: "field" }, label, input);
  const list = h("ol", { class: "lines" });
  const says = h("div", { role: "status" });
  const fresh = h("p");
  const more = h("p");
  const command = h("div");
  let events = [];
  let waiting = [];
  let lost = 0;
  let isFirst = false;
  let turn = 0;
  let due = 0;

  const query = () => ({ type: kind.value, peer: rig.value.trim() });
  const line = (event) => {
    const what = h("span", { class: TROUBLE.has(event.type) ? "what amber" : "what" }, sentence(event));
    return h("li", { "data-key": `e${event.seq}` }, h("time", { datetime: event.at, title: `${event.at} · event ${event.seq} · ${event.type}` }, moment(event.at)), what);
  };
  // Text is looked for in what is shown: the controller has no search for it.
  const fits = (node) => node.textContent.toLowerCase().includes(text.value.trim().toLowerCase());
  const draw = () => {
    clearTimeout(due);
    due = 0;
    const lines = events.map(line).filter(fits);
    show(searched, `Text, in the ${count(events.length)} events read`);
    show(list, lines);
    const none = events.length === 0 ? "Nothing is in the log that fits." : "None of the events that were read has this text.";
    show(says, lost > 0 && h("p", { class: "amber" }, `${count(lost)} ${lost === 1 ? "event was" : "events were"} missed: out of the controller's log before this page read it. `, h("button", { type: "button", onclick: read }, "Read again")), lines.length === 0 && h("p", { class: "quiet" }, none));
    show(fresh, waiting.length > 0 && h("button", { type: "button", onclick: reveal }, `Show ${count(waiting.length)} new`));
    show(more, !isFirst && events.length > 0 && events.length < MAX_SHOWN && h("button", { type: "button", onclick: older }, text.value.trim() ? "Look further back" : "Older"), events.length >= MAX_SHOWN && h("small", {}, "The command shows what is older."));
    const words = ["miner-ctrl events", kind.value && `--type ${kind.value}`, rig.value.trim() && `--peer ${quoted(rig.value.trim())}`];
    show(command, asCommand(words.filter(Boolean).join(" ")));
  };
  const reveal = () => {
    take();
    draw();
  };
  const take = () => {
    events = [...waiting, ...events].slice(0, MAX_SHOWN);
    waiting = [];
  };
  // A thousand events that come in a second are drawn once.
  const later = () => (due ||= setTimeout(() => !place.signal.aborted && draw(), 100));
  const refused = (error) => !place.signal.aborted && show(says, h("p", { class: "red" }, error.line ?? error.message));

  const read = async () => {
    turn += 1;
    const mine = turn;
    place.setQuery({ ...query(), text: text.value.trim() });
    try {
      const answer = await get("/events", { ...query(), limit: PART }, { signal: place.signal });
      if (mine !== turn) return false;
      events = answer.events.sort((a, b) => b.seq - a.seq);
      waiting = [];
      lost = answer.lost;
      isFirst = events.length < PART;
      draw();
      return true;
    } catch (error) {
      if (mine === turn) refused(error);
      return false;
    }
  };
  // The log is read forwards only: a window of numbers before the oldest shown one, made wider while nothing in it fits,
  // and the next one while nothing in it has the text.
  const older = async () => {
    const mine = turn;
    let end = events.at(-1).seq;
    try {
      for (let width = PART; ; width *= 4) {
        const after = Math.max(0, end - 1 - width);
        let at = after;
        let found = [];
        for (let parts = 0; parts < 20; parts += 1) {
          const answer = await get("/events", { ...query(), after: at, limit: 1_000 }, { signal: place.signal });
          if (mine !== turn) return;
          found.push(...answer.events.filter((event) => event.seq < end));
          const last = answer.events.at(-1)?.seq ?? end;
          if (!answer.more || last >= end || answer.next === null) break;
          at = answer.next;
        }
        found = found.sort((a, b) => b.seq - a.seq).slice(0, PART);
        if (found.length === 0 && after > 0) continue;
        events = [...events, ...found];
        isFirst = after === 0 && found.length < PART;
        if (isFirst || events.length >= MAX_SHOWN || found.some((event) => fits(line(event)))) return draw();
        end = found.at(-1).seq;
        width = PART / 4;
      }
    } catch (error) {
      refused(error);
    }
  };

  hear(place, null, (event) => {
    if (kind.value && event.type !== kind.value) return;
    const named = rig.value.trim();
    if (named && named !== event.nodeId && named !== event.nodeName) return;
    if ([...waiting, ...events].some((one) => one.seq === event.seq)) return;
    waiting = [event, ...waiting].slice(0, MAX_SHOWN);
    // At the top it is shown at once; further down nobody's line moves.
    if (document.getElementById("page").scrollTop < 8) take();
    later();
  }, (events) => {
    lost += events;
    later();
  });
  kind.onchange = read;
  rig.onchange = read;
  text.oninput = () => {
    place.setQuery({ text: text.value.trim() });
    draw();
  };
  place.root.append(
    h("div", { class: "head" }, h("h1", {}, "Events")),
    h("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); read(); } }, labelled(h("span", {}, "Kind"), kind), labelled(h("span", {}, "Rig"), rig), labelled(searched, text)),
    says,
    fresh,
    list,
    more,
    command,
  );
  // Only until it has succeeded once: after that the stream tells.
  let have = false;
  place.every(5_000, async () => {
    if (!have) have = await read();
  });
}
