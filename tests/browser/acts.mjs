// What a person does on each page, and whether the controller did it: each check clicks, types and confirms,
// asks the API what came of it, and finds nothing in `page.faults`.

import { logIn } from "./farm.mjs";
import { frame, leaving, moving } from "./acts/frame.mjs";
import { nodes } from "./acts/nodes.mjs";
import { profiles } from "./acts/profiles.mjs";
import { rig } from "./acts/rig.mjs";
import { others, settings } from "./acts/settings.mjs";
import { workers } from "./acts/workers.mjs";

export async function acts(browser, farm) {
  const page = await logIn(browser, farm);
  for (const work of [moving, frame, workers, nodes, profiles, rig, settings, others, leaving]) await work(page, farm);
  await page.context().close();
}
