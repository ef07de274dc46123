// A sentence for each event.
export const sentence = (event) => [event.type];
