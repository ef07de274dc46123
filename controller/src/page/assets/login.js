// Turns the code behind the # into a session. The code is taken out of the address first, so that it
// stays in no history; it is good once, so a copy of it would be worth nothing anyway.

const said = document.getElementById("said");
const code = location.hash.slice(1);

async function logIn() {
  history.replaceState(null, "", "/login");
  said.textContent = "Logging in…";
  try {
    const answer = await fetch("/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (answer.ok) return location.replace("/");
    const problem = await answer.json();
    said.textContent = `Not logged in: ${problem.message}.`;
  } catch {
    said.textContent = "Not logged in: the controller does not answer. Is miner-ctrl running?";
  }
}

if (code) logIn();
// An address that is opened in the same tab changes the fragment alone.
addEventListener("hashchange", () => location.hash.length > 1 && location.reload());
