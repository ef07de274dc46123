// To be written.
export async function open(place) {
  place.root.append("…");
}
