// A consumer of /openapi/v2: the document is validated as Swagger 2.0, and its operations, called by id, are the client.
import tls from 'node:tls';
import SwaggerParser from '@apidevtools/swagger-parser';
import { KubeConfig } from '@kubernetes/client-node';
import SwaggerClient from 'swagger-client';

const namespace = process.env.NAMESPACE;
const group = 'swagger.example.com';
const config = new KubeConfig();
config.loadFromDefault();
const { server, caData, skipTLSVerify } = config.getCurrentCluster();
if (caData) tls.setDefaultCACertificates([Buffer.from(caData, 'base64').toString()]);
if (skipTLSVerify) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
const authorizations = { BearerToken: { value: `Bearer ${config.getCurrentUser().token}` } };
const headers = { Authorization: authorizations.BearerToken.value };
const document = async () => (await SwaggerClient.http({ url: `${server}/openapi/v2`, headers })).body;
const requestInterceptor = (request) => {
    if (request.headers['Content-Type'] === '*/*') request.headers['Content-Type'] = 'application/json'; // what the document says
    return request;
};
const connect = (spec) => SwaggerClient({ url: `${server}/openapi/v2`, spec, authorizations, requestInterceptor });

const refused = (promise) => promise.then(() => 'not refused', ({ status, response }) => `${status} ${response.body.reason}`);

async function called({ apis: { apps_v1: apps, core_v1: core } }) {
    await core.createCoreV1Namespace({ body: { metadata: { name: namespace } } });
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'example/web:1' }] } };
    const body = { metadata: { name: 'web', labels }, spec: { replicas: 0, selector: { matchLabels: labels }, template } };
    const made = await apps.createAppsV1NamespacedDeployment({ namespace, body, fieldManager: 'swagger' });
    console.log('deployment:', made.status, made.body.spec.strategy.type, made.body.metadata.managedFields[0].manager);
    const one = { name: 'web', namespace };
    const scaled = { metadata: one, spec: { replicas: 3 } };
    console.log('scaled:', (await apps.replaceAppsV1NamespacedDeploymentScale({ ...one, body: scaled })).body.kind);
    const found = await apps.listAppsV1NamespacedDeployment({ namespace, labelSelector: 'app=web', limit: 5 });
    console.log('found:', found.body.items.map(({ metadata, spec }) => [metadata.name, spec.replicas]).join());
    const patched = await apps.patchAppsV1NamespacedDeployment({ ...one, body: { spec: { paused: true } }, dryRun: 'All' },
        { requestContentType: 'application/merge-patch+json' });
    console.log('patched:', patched.body.spec.paused, (await apps.readAppsV1NamespacedDeployment(one)).body.spec.paused);
    console.log('gone:', (await apps.deleteAppsV1NamespacedDeployment(one)).body.status, await refused(apps.readAppsV1NamespacedDeployment(one)));
    console.log('refused:', await refused(core.createCoreV1NamespacedService({ namespace, body: { metadata: { name: 'A' } } })));
}

async function owned({ apis }) {
    const definitions = apis.apiextensions_v1;
    const size = { type: 'integer', minimum: 1 };
    const openAPIV3Schema = { type: 'object', properties: { spec: { type: 'object', properties: { size } } } };
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }];
    const body = {
        metadata: { name: `bells.${group}` },
        spec: { group, scope: 'Namespaced', names: { plural: 'bells', kind: 'Bell' }, versions },
    };
    await definitions.createApiextensionsV1CustomResourceDefinition({ body });
    let spec = await document();
    while (spec.definitions['com.example.swagger.v1.Bell'] === undefined) spec = await document();
    const bells = (await connect(spec)).apis.swaggerExampleCom_v1;
    const bell = (number) => ({ apiVersion: `${group}/v1`, kind: 'Bell', metadata: { name: 'one' }, spec: { size: number } });
    console.log('bell:', await refused(bells.createSwaggerExampleComV1NamespacedBell({ namespace, body: bell(0) })));
    const made = await bells.createSwaggerExampleComV1NamespacedBell({ namespace, body: bell(2) });
    console.log('bell:', made.body.spec.size, JSON.stringify(spec.definitions['com.example.swagger.v1.Bell'].properties.spec));
    await definitions.deleteApiextensionsV1CustomResourceDefinition({ name: `bells.${group}` });
}

const spec = await document();
console.log('document:', spec.swagger, spec.info.title, Object.keys(spec.paths).length > 300);
console.log('valid:', (await SwaggerParser.validate(structuredClone(spec))).info.title);
const client = await connect(spec);
for (const story of [called, owned]) await story(client);
process.exit(0);
