// @kubernetes/client-node: typed objects, every patch, KubernetesObjectApi with a kind of one's own, informer, watch, log, exec.
import { once, EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const namespace = process.env.NAMESPACE;
const labels = { app: 'web' };
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const refused = (promise) => promise.then(() => 'not refused', (refusal) => refusal.code ?? refusal.statusCode ?? refusal.message);
const patched = (name, body, strategy) =>
    core.patchNamespacedConfigMap({ name, namespace, body, fieldManager: 'node', force: strategy.includes('apply') || undefined },
        k8s.setHeaderOptions('Content-Type', strategy));

async function typed() {
    const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'example/web:1' }] } };
    const web = { metadata: { name: 'web' }, spec: { replicas: 0, selector: { matchLabels: labels }, template } };
    const deployment = await apps.createNamespacedDeployment({ namespace, body: web });
    const scale = await apps.readNamespacedDeploymentScale({ name: 'web', namespace });
    console.log('deployment:', deployment.spec.strategy.type, scale.spec.replicas ?? 0, deployment.metadata.creationTimestamp instanceof Date);
    const body = { metadata: { name: 'web' }, spec: { selector: labels, ports: [{ port: 80 }] } };
    console.log('service:', (await core.createNamespacedService({ namespace, body })).spec.type);
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'key' }, stringData: { word: 'hi' } } });
    console.log('secret:', (await core.readNamespacedSecret({ name: 'key', namespace })).data.word);
}

async function informed() {
    const told = new EventEmitter();
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'app=web' });
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, 'app=web');
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (map) => told.emit('change', verb, map.data));
    const next = async (change) => {
        const [[verb, data]] = await Promise.all([once(told, 'change'), change()]);
        console.log('informed:', verb, JSON.stringify(data));
    };
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a', labels }, data: { k: '1' } } });
    await next(() => informer.start());
    await next(() => patched('a', [{ op: 'replace', path: '/data/k', value: '2' }], k8s.PatchStrategy.JsonPatch));
    await next(() => patched('a', { data: { m: '3' } }, k8s.PatchStrategy.MergePatch));
    await next(() => patched('a', { data: { s: '4' } }, k8s.PatchStrategy.StrategicMergePatch));
    const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: '5' } };
    await next(() => patched('a', applied, k8s.PatchStrategy.ServerSideApply));
    await next(() => core.deleteNamespacedConfigMap({ name: 'a', namespace }));
    console.log('cached:', informer.list(namespace).length);
    await informer.stop();
}

async function owned() {
    const group = 'node.example.com';
    const schema = { openAPIV3Schema: { type: 'object', x_kubernetes_preserve_unknown_fields: true } };
    const definition = {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `trains.${group}` },
        spec: {
            group, scope: 'Namespaced', names: { plural: 'trains', kind: 'Train' },
            versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
    };
    const watch = new k8s.Watch(config);
    const established = new Promise((resolve) => {
        watch.watch('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { fieldSelector: `metadata.name=trains.${group}` },
            (_, found) => found.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') && resolve(),
            () => {}).then((controller) => { established.controller = controller; });
    });
    await objects.create(definition);
    await established;
    established.controller?.abort();
    const train = { apiVersion: `${group}/v1`, kind: 'Train', metadata: { name: 'one', namespace }, spec: { cars: 2 } };
    const trains = config.makeApiClient(k8s.CustomObjectsApi);
    const all = { group, version: 'v1', namespace, plural: 'trains' };
    await trains.createNamespacedCustomObject({ ...all, body: train });
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
    const changed = await trains.patchNamespacedCustomObject({ ...all, name: 'one', body: { spec: { cars: 3 } } }, merge);
    console.log('train:', changed.spec.cars, (await objects.list(train.apiVersion, 'Train', namespace)).items.length);
    await objects.delete(definition);
}

async function pods() {
    const output = new PassThrough();
    console.log('log:', await refused(new k8s.Log(config).log(namespace, 'absent', 'main', output)));
    console.log('exec:', (await refused(new k8s.Exec(config).exec(namespace, 'absent', 'main', 'true', output, output, null, false))) !== 'not refused');
    console.log('absent:', await refused(core.readNamespacedPod({ name: 'absent', namespace })));
}

await core.createNamespace({ body: { metadata: { name: namespace } } });
for (const story of [typed, informed, owned, pods]) await story();
process.exit(0);
