import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../contracts/pure/search-attributes.ts';
import type { InnerRef } from '../contracts/inner-workflows.ts';
import type { OperationRef } from '../contracts/pure/operations.ts';

const KEYWORD_TYPE_NUMBER = 2; // temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD

/** Name and account, as Temporal Cloud has it; its own tool alone may change these. */
const CLOUD_NAMESPACE = /^[a-z0-9-]+\.[a-z0-9]+$/;

const keys = {
  tenant: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD),
  kind: defineSearchAttributeKey(SEARCH_ATTRIBUTES.kind, SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey(SEARCH_ATTRIBUTES.phase, SearchAttributeType.KEYWORD),
  operation: defineSearchAttributeKey(SEARCH_ATTRIBUTES.operation, SearchAttributeType.KEYWORD),
};

/** The typed attributes that a workflow starts with. */
export function searchAttributesOf(ref: Pick<OperationRef, 'tenantId' | 'kind' | 'operationId'> | InnerRef) {
  return [
    { key: keys.tenant, value: ref.tenantId },
    { key: keys.kind, value: ref.kind },
    ...('operationId' in ref ? [{ key: keys.operation, value: ref.operationId }] : []),
    // The workflow changes it when it waits or is held.
    { key: keys.phase, value: 'running' },
  ];
}

/**
 * Registers what is missing. Where the server doesn't let us (Temporal Cloud), gives the commands that an operator must run, until they
 * were run: without the attributes no workflow can be started.
 */
export async function ensureSearchAttributes(connection: NativeConnection, namespace: string): Promise<readonly string[]> {
  const names = Object.values(SEARCH_ATTRIBUTES);
  try {
    const known = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = names.filter((name) => known.customAttributes?.[name] === undefined);
    if (missing.length === 0) return [];
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD_TYPE_NUMBER])),
    });
    return [];
  } catch {
    return (await canQuery(connection, namespace, names)) ? [] : commandsFor(namespace, names);
  }
}

/** Who may not look at the attributes may still use them: a query by one that is missing is refused. */
function canQuery({ workflowService }: NativeConnection, namespace: string, names: readonly string[]): Promise<boolean> {
  const query = names.map((name) => `${name} = 'none'`).join(' AND ');
  return workflowService.countWorkflowExecutions({ namespace, query }).then(
    () => true,
    () => false,
  );
}

function commandsFor(namespace: string, names: readonly string[]): readonly string[] {
  if (!CLOUD_NAMESPACE.test(namespace))
    return names.map((name) => `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type Keyword`);
  const asked = names.map((name) => `--search-attribute "${name}=Keyword"`).join(' ');
  return [`tcld namespace search-attributes add --namespace ${namespace} ${asked}`];
}
