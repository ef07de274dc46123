// What happens on the farm, as it happens: one stream of events for the whole page, and clocks that
// rest while nobody looks.

const listeners = new Set();
let source = null;

// Calls `heard` with each event of the farm; gives back how to end it.
export function onEvent(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

function follow() {
  source?.close();
  source = new EventSource("/api/v1/mining/events/stream");
  source.addEventListener("event", ({ data }) => tell(JSON.parse(data)));
  // A closed one does not come back by itself.
  source.onerror = () => source.readyState === EventSource.CLOSED && setTimeout(follow, 5_000);
}

function tell(event) {
  for (const heard of listeners) heard(event);
}

// A hidden page asks nothing: the controller keeps what happens meanwhile.
export function startStream() {
  follow();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) follow();
    else source?.close();
  });
}

// Runs `work` now and then each `ms` after its end while the page is looked at, until `signal` aborts.
// An error of it is `work`'s own to show: here it only means that the next try comes.
export function every(ms, work, signal) {
  let timer;
  let busy = false;
  const run = async () => {
    clearTimeout(timer);
    if (signal.aborted || busy) return;
    busy = true;
    try {
      await work();
    } catch (error) {
      if (!signal.aborted && error.name !== "AbortError" && error.status === undefined) console.error(error);
    }
    busy = false;
    if (!signal.aborted && !document.hidden) timer = setTimeout(run, ms);
  };
  const seen = () => (document.hidden ? clearTimeout(timer) : run());
  document.addEventListener("visibilitychange", seen);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  });
  run();
  return run;
}
