// To be written.
export const later = true;
