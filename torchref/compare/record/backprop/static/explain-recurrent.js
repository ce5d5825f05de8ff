export function parameter() { return undefined; }
