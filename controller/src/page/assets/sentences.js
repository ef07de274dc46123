// Each kind of event as a sentence: what happened, to which rig, and why.

import { h } from "./dom.js";
import { count } from "./format.js";

const why = (text) => text && [": ", text];
const code = (text) => h("code", {}, text);
const profile = (id) => h("a", { href: `/profiles/${encodeURIComponent(id)}` }, id);
const rollout = (number) => h("a", { href: `/rollouts/${number}` }, `rollout ${number}`);
const ENDED = { done: "is done", alreadyThere: "had nothing to do", refused: "was refused", expired: "came too late", unknown: "may or may not have been done" };
const ENDS = { done: "is done", aborted: "was aborted", rolledBack: "was rolled back" };

// Each kind in a word or three, and what it says, given the event and its rig.
const SENTENCES = {
  apiRefused: ["access refused", (e) => ["Somebody at ", e.from, " came to the API or the page without a good credential", e.limited && " and has to wait now"]],
  applied: ["wish applied", (e, rig) => [rig, " has applied wish ", e.generation]],
  behind: ["controller is behind", (e, rig) => [rig, " was told something newer (", e.generation, ") than this controller knows"]],
  controllerEnded: ["controller ended", () => ["The controller ended"]],
  controllerStarted: ["controller started", () => ["The controller started"]],
  desiredSet: ["rig told what to mine", (e, rig) => (e.profile ? [rig, " shall mine with ", profile(e.profile)] : [rig, " shall mine nothing"])],
  duplicateIdentity: ["two rigs with one key", (e, rig) => ["Two processes use the key of ", rig, " at the same time: a copied image or a stolen key"]],
  enrolled: ["rig admitted by token", (e, rig) => [rig, " came by the token ", code(e.token), " and is admitted"]],
  enrolPending: ["rig waits for approval", (e, rig) => [rig, " came by the token ", code(e.token), " and ", h("a", { href: "/nodes" }, "waits for approval")]],
  enrolRefused: ["token refused", (e, rig) => [rig, " came by ", e.token ? ["the token ", code(e.token)] : "a token that does not exist", " and was refused", why(e.reason)]],
  eventsSkipped: ["events left out", (e) => ["The controller was killed before: ", count(e.numbers), " event numbers were left out"]],
  keyChanged: ["rig has another key", (e, rig) => [rig, " has another key and has shown that it is the same rig: ", code(e.old), " became ", code(e.new)]],
  linkDown: ["link lost", (e, rig) => [rig, " lost its link", why(e.reason)]],
  linkUp: ["link up", (e, rig) => [rig, e.dialledIn ? " dialled in: its link is up" : " was dialled: its link is up"]],
  orderEnded: ["order ended", (e, rig) => ["The order ", code(e.order), " to ", rig, " ", ENDED[e.status] ?? e.status]],
  ordered: ["order given", (e, rig) => [rig, " was given the order ", code(e.order)]],
  peerAdded: ["rig added", (e, rig) => [rig, " was added"]],
  peerLabelled: ["rig labelled", (e, rig) => [rig, " has other labels"]],
  peerRemoved: ["rig removed", (e, rig) => [rig, " was removed: its key is refused from now on"]],
  peerRenamed: ["rig renamed", (e, rig) => [rig, " has another name now"]],
  peerVanished: ["ephemeral rig gone", (e) => [h("b", {}, e.name), " was away for long: its entry is gone, as it is ephemeral"]],
  protocolError: ["protocol broken", (e, rig) => [rig, " broke the protocol, and its ", e.linkDown ? "link" : "connection", " was closed", why(e.reason)]],
  recoveryPinned: ["recovery key pinned", (e, rig) => [rig, " has pinned the recovery key ", code(e.recovery)]],
  recoveryRefused: ["recovery key not pinned", (e, rig) => [rig, " would not pin the recovery key ", code(e.recovery), why(e.reason)]],
  recoverySet: ["recovery key set", (e) => ["The farm has the recovery key ", code(e.recovery), " now"]],
  refused: ["wish refused", (e, rig) => [rig, " refused wish ", e.generation, why(e.reason)]],
  removedKey: ["removed rig came back", (e, rig) => [rig, " came back after it was removed and got nothing"]],
  strangers: ["strangers not recorded", (e) => [count(e.unrecorded), " more events about strangers had no room in the log"]],
  throttled: ["rig throttled", (e, rig) => [rig, " sends more than its rate and is read more slowly: ", count(e.frames), " frames had to wait"]],
  tokenCreated: ["token made", (e) => ["The token ", code(e.token), " was made"]],
  tokenRevoked: ["token revoked", (e) => ["The token ", code(e.token), " was revoked"]],
  rolloutEnded: ["rollout ended", (e) => ["The ", rollout(e.rollout), " ", ENDS[e.status] ?? e.status]],
  rolloutHalted: ["rollout stopped by itself", (e) => ["The ", rollout(e.rollout), " stopped by itself", why(e.reason)]],
  rolloutStage: ["rollout begins a stage", (e) => ["The ", rollout(e.rollout), " begins stage ", e.stage, " of ", e.stages, ": ", count(e.rigs), " rigs are told"]],
  rolloutStarted: ["rollout started", (e) => ["The ", rollout(e.rollout), " was started: ", profile(e.profile), " version ", e.version, " on ", count(e.rigs), " rigs"]],
  updateEnded: ["update ended", (e) => ["Update ", e.update, " ", ENDS[e.status] ?? e.status]],
  updateHalted: ["update stopped by itself", (e) => ["Update ", e.update, " stopped by itself", why(e.reason)]],
  updateStage: ["update begins a stage", (e) => ["Update ", e.update, " begins stage ", e.stage, " of ", e.stages, ": ", count(e.rigs), " rigs"]],
  updateStarted: ["update started", (e) => ["Update ", e.update, " was started: ", e.version, " for ", count(e.rigs), " rigs"]],
  unknownKey: ["stranger came", (e) => ["A stranger with the key ", code(e.fingerprint), " came and got nothing"]],
};

// [type, words] of each kind, by words.
export const KINDS = Object.entries(SENTENCES).map(([type, [words]]) => [type, words]).sort(([, a], [, b]) => a.localeCompare(b));

// Kinds that say that something is wrong.
export const TROUBLE = new Set(["apiRefused", "behind", "duplicateIdentity", "enrolRefused", "linkDown", "protocolError", "recoveryRefused", "refused", "removedKey", "rolloutHalted", "strangers", "throttled", "unknownKey", "updateHalted"]);

// The sentence of an event: an array of elements and texts for `h`. A kind that a newer controller
// knows is said by its name.
export function sentence(event) {
  const name = event.nodeName ?? event.nodeId;
  const rig = !name ? "A rig" : event.nodeId ? h("a", { href: `/rigs/${event.nodeId}` }, name) : h("b", {}, name);
  const text = SENTENCES[event.type]?.[1](event, rig) ?? [event.type, name && [" of ", rig]];
  const by = event.by;
  return [text, by && `, by ${by}`].flat(Infinity).filter((piece) => piece !== null && piece !== undefined && piece !== false && piece !== "");
}
