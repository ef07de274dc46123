// Keeps the page true: asks for the fleet each two seconds and changes what differs, in place, so
// that nothing flashes, a selection stays and nothing moves under the pointer. When the controller
// does not answer, says so and dims, because an old figure must never look live.

const PERIOD_MS = 2000;
const TIMEOUT_MS = 5000;
const live = document.getElementById("live");
const lost = document.getElementById("lost");
let answeredAt = Date.now();
let timer;

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("/fleet", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    // The login has ended: the page says so and how to get a new one.
    if (answer.status === 401) location.reload();
    if (!answer.ok) throw new Error(`the controller answered ${answer.status}`);
    show(await answer.text());
    answeredAt = Date.now();
    lost.hidden = true;
    document.body.classList.remove("lost");
  } catch {
    const since = new Date(answeredAt).toLocaleTimeString();
    lost.textContent = `No answer from the controller since ${since}. The figures below are from then. Is miner-ctrl running?`;
    lost.hidden = false;
    document.body.classList.add("lost");
  }
  timer = setTimeout(refresh, PERIOD_MS);
}

function show(html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  const now = live.querySelector("#fleet");
  const next = parsed.content.querySelector("#fleet");
  // Another program version brings its own script and style.
  if (now.dataset.version !== next.dataset.version) location.reload();
  become(now, next);
}

// Makes `now` equal to `next`, touching only what differs.
function become(now, next) {
  if (now.nodeType !== next.nodeType || now.nodeName !== next.nodeName || now.id !== next.id) {
    now.replaceWith(next.cloneNode(true));
    return;
  }
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  const old = [...now.childNodes];
  const fresh = [...next.childNodes];
  fresh.forEach((child, at) => (old[at] ? become(old[at], child) : now.append(child.cloneNode(true))));
  old.slice(fresh.length).forEach((child) => child.remove());
}

// A hidden page asks nothing; one that is looked at again asks at once.
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
timer = setTimeout(refresh, PERIOD_MS);
