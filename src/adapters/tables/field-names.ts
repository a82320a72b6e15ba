/**
 * Names of fields in objects, and in objects in them. The engine takes names that differ only in their capitals for one, and renames or refuses
 * what it finds so; nothing tells afterwards which field was which.
 */
export class FieldNames {
  readonly #fields = new Map<string, { readonly name: string; readonly inside: FieldNames }>();
  #areDistinct = true;

  /** Whether no two fields were taken that the engine would take for one. */
  get areDistinct(): boolean {
    return this.#areDistinct && [...this.#fields.values()].every(({ inside }) => inside.areDistinct);
  }

  has(name: string): boolean {
    return this.#fields.get(lower(name))?.name === name;
  }

  take(value: unknown): void {
    if (Array.isArray(value)) for (const item of value) this.take(item);
    else if (typeof value === 'object' && value !== null) for (const [name, inner] of Object.entries(value)) this.#takeField(name, inner);
  }

  #takeField(name: string, value: unknown): void {
    const known = this.#fields.get(lower(name));
    const field = known ?? { name, inside: new FieldNames() };
    if (known === undefined) this.#fields.set(lower(name), field);
    else if (known.name !== name) this.#areDistinct = false;
    field.inside.take(value);
  }
}

/** As the engine does it: other letters than those of ASCII stay. */
function lower(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
