// The dialog that starts a rollout: which version, which rigs, in which stages, and what stops it.

import { get, may, once, post } from "./api.js";
import { asCommand, dialog, quoted } from "./dialog.js";
import { fill, h } from "./dom.js";
import { count } from "./format.js";
import { clearErrors, failure, field, showError } from "./form.js";
import { choice, withPayout } from "./profile-form.js";

// "1, 10 %, all" as the API takes it.
function readStages(text) {
  return text.split(",").map((word) => word.replaceAll(" ", "")).filter(Boolean).map((word) => (word === "all" ? "100%" : /^\d+$/.test(word) ? Number(word) : word));
}

export async function startRollout(place, profile, versions, chosen) {
  const { signal } = place;
  const started = await dialog(`Roll out ${profile.name}`, (close) => {
    const version = choice(String(chosen), versions.map((one) => [String(one.version), `${one.version}${one.comment ? ` · ${one.comment}` : ""}`]));
    const select = h("input", { class: "mono", autocomplete: "off", spellcheck: "false", placeholder: "those that are told to mine with it" });
    const stages = h("input", { value: "1, 10%, 100%", autocomplete: "off" });
    const observe = h("input", { type: "number", min: 1, max: 10_080, value: 10 });
    const least = h("input", { type: "number", min: 0, max: 100, value: 90 });
    const onFailure = choice("halt", [["halt", "stop, and leave the rigs as they are"], ["rollback", "give the rigs back what they had"]]);
    const comment = h("input", { maxlength: 200, autocomplete: "off" });
    const counted = h("p", { role: "status" });
    const command = h("div", {});
    const go = h("button", { class: "primary", type: "submit" }, "Start the rollout");
    const body = () => ({
      profileId: profile.id,
      version: Number(version.value),
      select: select.value.trim() || null,
      stages: readStages(stages.value),
      observeSecs: Math.round(Number(observe.value) * 60),
      minHashratePercent: Number(least.value),
      onFailure: onFailure.value,
      comment: comment.value.trim() || null,
    });
    const line = () => {
      const { select: which, comment: why, ...rest } = body();
      const words = ["miner-ctrl rollout start", quoted(profile.id), "--version", rest.version, which && `--select ${quoted(which)}`, "--stages", quoted(rest.stages.join(",")), "--observe", rest.observeSecs, "--min-hashrate", rest.minHashratePercent, "--on-failure", rest.onFailure, why && `--comment ${quoted(why)}`];
      return words.filter((word) => word !== null && word !== false && word !== "").join(" ");
    };
    let turn = 0;
    // The last answer that was asked for counts, not the last that came.
    const countRigs = async () => {
      turn += 1;
      const mine = turn;
      const which = select.value.trim();
      if (!which) {
        fill(counted, `${count(profile.usedBy.length)} ${profile.usedBy.length === 1 ? "rig is" : "rigs are"} told to mine with it${profile.usedBy.length ? `: ${profile.usedBy.slice(0, 5).join(", ")}${profile.usedBy.length > 5 ? ", …" : ""}` : ""}.`);
        return;
      }
      try {
        const { data, headers } = await get("/peers", { select: which, limit: 5 }, { signal, whole: true });
        if (mine !== turn) return;
        const all = Number(headers.get("x-total-count") ?? data.length);
        fill(counted, `${count(all)} ${all === 1 ? "rig" : "rigs"}${all ? `: ${data.map((one) => one.name).join(", ")}${all > data.length ? ", …" : ""}` : ""}. Those that mine nothing or have the version already are left out.`);
      } catch (error) {
        if (mine === turn) fill(counted, h("span", { class: "red" }, error.line ?? error.message));
      }
    };
    const tell = () => fill(command, asCommand(line()));
    select.onchange = countRigs;
    countRigs();
    tell();
    const word = once();
    const form = h(
      "form",
      { oninput: tell, novalidate: true },
      field("version", "Version", version),
      field("select", "Rigs, by a selector such as group=shed state=mining", select),
      counted,
      h("div", { class: "three" }, field("stages", "Stages: rigs that have it after each", stages, "numbers, or parts such as 10%"), field("observeSecs", "Watch each stage, minutes", observe), field("minHashratePercent", "Least hash rate, % of before", least)),
      field("onFailure", "If they make less", onFailure),
      field("comment", "Why", comment),
      failure(),
      command,
      h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => close(null) }, "Cancel"), go),
    );
    form.onsubmit = async (event) => {
      event.preventDefault();
      clearErrors(form);
      go.disabled = true;
      try {
        const done = await withPayout((confirmPayout) => post("/rollouts", { ...body(), confirmPayout }, { signal, headers: confirmPayout ? {} : word }), line());
        if (done) close(done);
      } catch (error) {
        showError(form, error);
      }
      go.disabled = !may("operate");
    };
    return form;
  }, { wide: true });
  if (started && !signal.aborted) place.go(`/rollouts/${started.rollout.id}`);
}
