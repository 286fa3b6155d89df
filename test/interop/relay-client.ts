import {
  type FieldNode,
  type GraphQLObjectType,
  getNamedType,
  getNullableType,
  getOperationAST,
  isListType,
  isObjectType,
  Kind,
  parse,
  type SelectionSetNode,
} from 'graphql';
import type { Client as SocketClient } from 'graphql-ws';
import relay, { type ConcreteRequest, type GraphQLResponse } from 'relay-runtime';
import { buildSchema } from '../../src/schema.ts';
import type { Headers } from '../support/server.ts';
import type { Client } from './clients.ts';

const schema = buildSchema();

/** Relay's runtime, with requests as its compiler would write them. */
export function createRelayClient(url: string, headers: Headers, sockets: SocketClient): Client {
  const codes: unknown[] = [];
  const network = relay.Network.create(
    async ({ text: query }, variables) => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
      });
      const answer = await response.json();
      codes.push(...(answer.errors ?? []).map((error: { extensions: { code: unknown } }) => error.extensions.code));
      return answer;
    },
    ({ text }, variables) =>
      relay.Observable.create((sink) =>
        sockets.subscribe(
          { query: text ?? '', variables },
          {
            next: (result) => sink.next(result as GraphQLResponse),
            error: (error) => sink.error(error instanceof Error ? error : new Error(String(error))),
            complete: () => sink.complete(),
          },
        ),
      ),
  );
  const environment = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
  return {
    async run(text, variables) {
      codes.length = 0;
      const request = compiled(text);
      try {
        const data = await (request.params.operationKind === 'mutation'
          ? new Promise((resolve, reject) =>
              relay.commitMutation(environment, {
                mutation: request,
                variables,
                onCompleted: resolve,
                onError: reject,
              }),
            )
          : relay.fetchQuery(environment, request, variables).toPromise());
        return { data, codes };
      } catch (error) {
        if (codes.length > 0) return { codes };
        throw error;
      }
    },
    follow(text, variables, onData) {
      const { dispose } = relay.requestSubscription(environment, {
        subscription: compiled(text),
        variables,
        onNext: onData,
      });
      return dispose;
    },
    close: () => void sockets.dispose(),
  };
}

/** What Relay's compiler makes of a document of fields and variables. */
function compiled(text: string): ConcreteRequest {
  const operation = getOperationAST(parse(text));
  const root = operation && schema.getRootType(operation.operation);
  if (!root) throw new Error('It has no operation');
  const argumentDefinitions = (operation.variableDefinitions ?? []).map(({ variable }) => ({
    kind: 'LocalArgument' as const,
    name: variable.name.value,
    defaultValue: null,
  }));
  const selections = selectionsOf(operation.selectionSet, root);
  const name = operation.name?.value ?? 'Unnamed';
  const metadata = {};
  // biome-ignore lint/suspicious/noExplicitAny: the types of Relay know more forms of these than are written here
  const request: any = {
    kind: 'Request',
    fragment: {
      kind: 'Fragment',
      name,
      type: root.name,
      metadata: null,
      abstractKey: null,
      argumentDefinitions,
      selections,
    },
    operation: { kind: 'Operation', name, argumentDefinitions, selections },
    params: { id: null, cacheID: name, metadata, name, operationKind: operation.operation, text },
  };
  return request;
}

function selectionsOf({ selections }: SelectionSetNode, type: GraphQLObjectType): object[] {
  return selections.flatMap((node) => (node.kind === Kind.FIELD ? [fieldOf(node, type)] : []));
}

function fieldOf(node: FieldNode, parent: GraphQLObjectType): object {
  const name = node.name.value;
  const field = parent.getFields()[name];
  if (!field) throw new Error(`${parent.name} has no ${name}`);
  const args = (node.arguments ?? []).map(({ name, value }) =>
    value.kind === Kind.VARIABLE
      ? { kind: 'Variable', name: name.value, variableName: value.name.value }
      : { kind: 'Literal', name: name.value, value: 'value' in value ? value.value : null },
  );
  const common = { alias: node.alias?.value ?? null, args: args.length > 0 ? args : null, name, storageKey: null };
  const type = getNamedType(field.type);
  if (!isObjectType(type) || !node.selectionSet) return { kind: 'ScalarField', ...common };
  const plural = isListType(getNullableType(field.type));
  const selections = selectionsOf(node.selectionSet, type);
  return { kind: 'LinkedField', ...common, concreteType: type.name, plural, selections };
}
