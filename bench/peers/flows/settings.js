// Node-RED without its editor, telling nobody anything. Its PostgreSQL node writes a line a message to the console:
// that is silenced, in Node-RED's favour; what Node-RED itself says goes to stderr.
console.log = () => {};
module.exports = {
    flowFile: process.env.FLOW,
    credentialSecret: false,
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.PORT),
    httpAdminRoot: false,
    httpNodeRoot: false,
    telemetry: { enabled: false, updateNotification: false },
    logging: {
        quiet: { level: "info", handler: () => (told) => process.stderr.write(`${told.msg?.stack ?? told.msg}\n`) },
    },
};
