export function ask(url: string): Promise<Response> {
  return fetch(url);
}
