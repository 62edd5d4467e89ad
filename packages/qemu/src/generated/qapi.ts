// Generated from query-qmp-schema of QEMU 10.0 by scripts/generate-types.ts; not edited by hand.

type AnnounceSelfArguments = { readonly initial: number; readonly max: number; readonly rounds: number; readonly step: number; readonly interfaces?: ReadonlyArray<string>; readonly id?: string; };

type HumanMonitorCommandArguments = { readonly 'command-line': string; readonly 'cpu-index'?: number; };

type MigrateArgumentsChannelsChannelType = 'main' | 'cpr';

type MigrateArgumentsChannelsAddrSocketInet = { readonly host: string; readonly port: string; readonly numeric?: boolean; readonly to?: number; readonly ipv4?: boolean; readonly ipv6?: boolean; readonly 'keep-alive'?: boolean; readonly mptcp?: boolean; };

type MigrateArgumentsChannelsAddrSocketUnix = { readonly path: string; readonly abstract?: boolean; readonly tight?: boolean; };

type MigrateArgumentsChannelsAddrSocketVsock = { readonly cid: string; readonly port: string; };

type MigrateArgumentsChannelsAddrSocketFd = { readonly str: string; };

type MigrateArgumentsChannelsAddrSocket = ({ type: 'inet' } & MigrateArgumentsChannelsAddrSocketInet) | ({ type: 'unix' } & MigrateArgumentsChannelsAddrSocketUnix) | ({ type: 'vsock' } & MigrateArgumentsChannelsAddrSocketVsock) | ({ type: 'fd' } & MigrateArgumentsChannelsAddrSocketFd);

type MigrateArgumentsChannelsAddrExec = { readonly args: ReadonlyArray<string>; };

type MigrateArgumentsChannelsAddrFile = { readonly filename: string; readonly offset: number; };

type MigrateArgumentsChannelsAddr = ({ transport: 'socket' } & MigrateArgumentsChannelsAddrSocket) | ({ transport: 'exec' } & MigrateArgumentsChannelsAddrExec) | ({ transport: 'rdma' } & MigrateArgumentsChannelsAddrSocketInet) | ({ transport: 'file' } & MigrateArgumentsChannelsAddrFile);

type MigrateArgumentsChannels = { readonly 'channel-type': MigrateArgumentsChannelsChannelType; readonly addr: MigrateArgumentsChannelsAddr; };

type MigrateArguments = { readonly uri?: string; readonly channels?: ReadonlyArray<MigrateArgumentsChannels>; readonly detach?: boolean; readonly resume?: boolean; };

type MigrateIncomingArguments = { readonly uri?: string; readonly channels?: ReadonlyArray<MigrateArgumentsChannels>; readonly 'exit-on-error'?: boolean; };

type MigrateSetCapabilitiesArgumentsCapabilitiesCapability = 'xbzrle' | 'rdma-pin-all' | 'auto-converge' | 'zero-blocks' | 'events' | 'postcopy-ram' | 'x-colo' | 'release-ram' | 'return-path' | 'pause-before-switchover' | 'multifd' | 'dirty-bitmaps' | 'postcopy-blocktime' | 'late-block-activate' | 'x-ignore-shared' | 'validate-uuid' | 'background-snapshot' | 'zero-copy-send' | 'postcopy-preempt' | 'switchover-ack' | 'dirty-limit' | 'mapped-ram';

type MigrateSetCapabilitiesArgumentsCapabilities = { readonly capability: MigrateSetCapabilitiesArgumentsCapabilitiesCapability; readonly state: boolean; };

type MigrateSetCapabilitiesArguments = { readonly capabilities: ReadonlyArray<MigrateSetCapabilitiesArgumentsCapabilities>; };

type MigrateSetParametersArgumentsMultifdCompression = 'none' | 'zlib' | 'zstd';

type MigrateSetParametersArgumentsBlockBitmapMappingBitmapsTransform = { readonly persistent?: boolean; };

type MigrateSetParametersArgumentsBlockBitmapMappingBitmaps = { readonly name: string; readonly alias: string; readonly transform?: MigrateSetParametersArgumentsBlockBitmapMappingBitmapsTransform; };

type MigrateSetParametersArgumentsBlockBitmapMapping = { readonly 'node-name': string; readonly alias: string; readonly bitmaps: ReadonlyArray<MigrateSetParametersArgumentsBlockBitmapMappingBitmaps>; };

type MigrateSetParametersArgumentsMode = 'normal' | 'cpr-reboot' | 'cpr-transfer';

type MigrateSetParametersArgumentsZeroPageDetection = 'none' | 'legacy' | 'multifd';

type MigrateSetParametersArguments = { readonly 'announce-initial'?: number; readonly 'announce-max'?: number; readonly 'announce-rounds'?: number; readonly 'announce-step'?: number; readonly 'throttle-trigger-threshold'?: number; readonly 'cpu-throttle-initial'?: number; readonly 'cpu-throttle-increment'?: number; readonly 'cpu-throttle-tailslow'?: boolean; readonly 'tls-creds'?: string | null; readonly 'tls-hostname'?: string | null; readonly 'tls-authz'?: string | null; readonly 'max-bandwidth'?: number; readonly 'avail-switchover-bandwidth'?: number; readonly 'downtime-limit'?: number; readonly 'x-checkpoint-delay'?: number; readonly 'multifd-channels'?: number; readonly 'xbzrle-cache-size'?: number; readonly 'max-postcopy-bandwidth'?: number; readonly 'max-cpu-throttle'?: number; readonly 'multifd-compression'?: MigrateSetParametersArgumentsMultifdCompression; readonly 'multifd-zlib-level'?: number; readonly 'multifd-qatzip-level'?: number; readonly 'multifd-zstd-level'?: number; readonly 'block-bitmap-mapping'?: ReadonlyArray<MigrateSetParametersArgumentsBlockBitmapMapping>; readonly 'x-vcpu-dirty-limit-period'?: number; readonly 'vcpu-dirty-limit'?: number; readonly mode?: MigrateSetParametersArgumentsMode; readonly 'zero-page-detection'?: MigrateSetParametersArgumentsZeroPageDetection; readonly 'direct-io'?: boolean; };

type QmpCapabilitiesArgumentsEnable = 'oob';

type QmpCapabilitiesArguments = { readonly enable?: ReadonlyArray<QmpCapabilitiesArgumentsEnable>; };

type QomGetArguments = { readonly path: string; readonly property: string; };

type QomListPropertiesArguments = { readonly typename: string; };

type QomListPropertiesReturn = { readonly name: string; readonly type: string; readonly description?: string; readonly 'default-value'?: unknown; };

type QueryBlockReturnInsertedDetectZeroes = 'off' | 'on' | 'unmap';

type QueryBlockReturnInsertedImageSnapshots = { readonly id: string; readonly name: string; readonly 'vm-state-size': number; readonly 'date-sec': number; readonly 'date-nsec': number; readonly 'vm-clock-sec': number; readonly 'vm-clock-nsec': number; readonly icount?: number; };

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksCipherAlg = 'aes-128' | 'aes-192' | 'aes-256' | 'des' | '3des' | 'cast5-128' | 'serpent-128' | 'serpent-192' | 'serpent-256' | 'twofish-128' | 'twofish-192' | 'twofish-256' | 'sm4';

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksCipherMode = 'ecb' | 'cbc' | 'xts' | 'ctr';

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksIvgenAlg = 'plain' | 'plain64' | 'essiv';

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksIvgenHashAlg = 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512' | 'ripemd160' | 'sm3';

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksSlots = { readonly active: boolean; readonly iters?: number; readonly stripes?: number; readonly 'key-offset': number; };

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuks = { readonly 'cipher-alg': QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksCipherAlg; readonly 'cipher-mode': QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksCipherMode; readonly 'ivgen-alg': QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksIvgenAlg; readonly 'ivgen-hash-alg'?: QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksIvgenHashAlg; readonly 'hash-alg': QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksIvgenHashAlg; readonly 'detached-header': boolean; readonly 'payload-offset': number; readonly 'master-key-iters': number; readonly uuid: string; readonly slots: ReadonlyArray<QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuksSlots>; };

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncrypt = ({ format: 'luks' } & QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuks) | { format: 'aes' };

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataBitmapsFlags = 'in-use' | 'auto';

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataBitmaps = { readonly name: string; readonly granularity: number; readonly flags: ReadonlyArray<QueryBlockReturnInsertedImageFormatSpecificQcow2DataBitmapsFlags>; };

type QueryBlockReturnInsertedImageFormatSpecificQcow2DataCompressionType = 'zlib' | 'zstd';

type QueryBlockReturnInsertedImageFormatSpecificQcow2Data = { readonly compat: string; readonly 'data-file'?: string; readonly 'data-file-raw'?: boolean; readonly 'extended-l2'?: boolean; readonly 'lazy-refcounts'?: boolean; readonly corrupt?: boolean; readonly 'refcount-bits': number; readonly encrypt?: QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncrypt; readonly bitmaps?: ReadonlyArray<QueryBlockReturnInsertedImageFormatSpecificQcow2DataBitmaps>; readonly 'compression-type': QueryBlockReturnInsertedImageFormatSpecificQcow2DataCompressionType; };

type QueryBlockReturnInsertedImageFormatSpecificQcow2 = { readonly data: QueryBlockReturnInsertedImageFormatSpecificQcow2Data; };

type QueryBlockReturnInsertedImageFormatSpecificVmdkDataExtents = { readonly filename: string; readonly format: string; readonly 'virtual-size': number; readonly 'cluster-size'?: number; readonly compressed?: boolean; };

type QueryBlockReturnInsertedImageFormatSpecificVmdkData = { readonly 'create-type': string; readonly cid: number; readonly 'parent-cid': number; readonly extents: ReadonlyArray<QueryBlockReturnInsertedImageFormatSpecificVmdkDataExtents>; };

type QueryBlockReturnInsertedImageFormatSpecificVmdk = { readonly data: QueryBlockReturnInsertedImageFormatSpecificVmdkData; };

type QueryBlockReturnInsertedImageFormatSpecificLuks = { readonly data: QueryBlockReturnInsertedImageFormatSpecificQcow2DataEncryptLuks; };

type QueryBlockReturnInsertedImageFormatSpecificRbdDataEncryptionFormat = 'luks' | 'luks2' | 'luks-any';

type QueryBlockReturnInsertedImageFormatSpecificRbdData = { readonly 'encryption-format'?: QueryBlockReturnInsertedImageFormatSpecificRbdDataEncryptionFormat; };

type QueryBlockReturnInsertedImageFormatSpecificRbd = { readonly data: QueryBlockReturnInsertedImageFormatSpecificRbdData; };

type QueryBlockReturnInsertedImageFormatSpecificFileData = { readonly 'extent-size-hint'?: number; };

type QueryBlockReturnInsertedImageFormatSpecificFile = { readonly data: QueryBlockReturnInsertedImageFormatSpecificFileData; };

type QueryBlockReturnInsertedImageFormatSpecific = ({ type: 'qcow2' } & QueryBlockReturnInsertedImageFormatSpecificQcow2) | ({ type: 'vmdk' } & QueryBlockReturnInsertedImageFormatSpecificVmdk) | ({ type: 'luks' } & QueryBlockReturnInsertedImageFormatSpecificLuks) | ({ type: 'rbd' } & QueryBlockReturnInsertedImageFormatSpecificRbd) | ({ type: 'file' } & QueryBlockReturnInsertedImageFormatSpecificFile);

type QueryBlockReturnInsertedImage = { readonly filename: string; readonly format: string; readonly 'dirty-flag'?: boolean; readonly 'actual-size'?: number; readonly 'virtual-size': number; readonly 'cluster-size'?: number; readonly encrypted?: boolean; readonly compressed?: boolean; readonly 'backing-filename'?: string; readonly 'full-backing-filename'?: string; readonly 'backing-filename-format'?: string; readonly snapshots?: ReadonlyArray<QueryBlockReturnInsertedImageSnapshots>; readonly 'format-specific'?: QueryBlockReturnInsertedImageFormatSpecific; readonly 'backing-image'?: QueryBlockReturnInsertedImage; };

type QueryBlockReturnInsertedCache = { readonly writeback: boolean; readonly direct: boolean; readonly 'no-flush': boolean; };

type QueryBlockReturnInsertedDirtyBitmaps = { readonly name?: string; readonly count: number; readonly granularity: number; readonly recording: boolean; readonly busy: boolean; readonly persistent: boolean; readonly inconsistent?: boolean; };

type QueryBlockReturnInserted = { readonly file: string; readonly 'node-name'?: string; readonly ro: boolean; readonly drv: string; readonly backing_file?: string; readonly backing_file_depth: number; readonly active: boolean; readonly encrypted: boolean; readonly detect_zeroes: QueryBlockReturnInsertedDetectZeroes; readonly bps: number; readonly bps_rd: number; readonly bps_wr: number; readonly iops: number; readonly iops_rd: number; readonly iops_wr: number; readonly image: QueryBlockReturnInsertedImage; readonly bps_max?: number; readonly bps_rd_max?: number; readonly bps_wr_max?: number; readonly iops_max?: number; readonly iops_rd_max?: number; readonly iops_wr_max?: number; readonly bps_max_length?: number; readonly bps_rd_max_length?: number; readonly bps_wr_max_length?: number; readonly iops_max_length?: number; readonly iops_rd_max_length?: number; readonly iops_wr_max_length?: number; readonly iops_size?: number; readonly group?: string; readonly cache: QueryBlockReturnInsertedCache; readonly write_threshold: number; readonly 'dirty-bitmaps'?: ReadonlyArray<QueryBlockReturnInsertedDirtyBitmaps>; };

type QueryBlockReturnIoStatus = 'ok' | 'failed' | 'nospace';

type QueryBlockReturn = { readonly device: string; readonly qdev?: string; readonly type: string; readonly removable: boolean; readonly locked: boolean; readonly inserted?: QueryBlockReturnInserted; readonly tray_open?: boolean; readonly 'io-status'?: QueryBlockReturnIoStatus; };

type QueryChardevReturn = { readonly label: string; readonly filename: string; readonly 'frontend-open': boolean; };

type QueryKvmReturn = { readonly enabled: boolean; readonly present: boolean; };

type QueryMachinesArguments = { readonly 'compat-props'?: boolean; };

type QueryMachinesReturnCompatProps = { readonly 'qom-type': string; readonly property: string; readonly value: string; };

type QueryMachinesReturn = { readonly name: string; readonly alias?: string; readonly 'is-default'?: boolean; readonly 'cpu-max': number; readonly 'hotpluggable-cpus': boolean; readonly 'numa-mem-supported': boolean; readonly deprecated: boolean; readonly 'default-cpu-type'?: string; readonly 'default-ram-id'?: string; readonly acpi: boolean; readonly 'compat-props'?: ReadonlyArray<QueryMachinesReturnCompatProps>; };

type QueryMemdevReturnPolicy = 'default' | 'preferred' | 'bind' | 'interleave';

type QueryMemdevReturn = { readonly id?: string; readonly size: number; readonly merge: boolean; readonly dump: boolean; readonly prealloc: boolean; readonly share: boolean; readonly reserve?: boolean; readonly 'host-nodes': ReadonlyArray<number>; readonly policy: QueryMemdevReturnPolicy; };

type QueryMigrateReturnStatus = 'none' | 'setup' | 'cancelling' | 'cancelled' | 'active' | 'postcopy-active' | 'postcopy-paused' | 'postcopy-recover-setup' | 'postcopy-recover' | 'completed' | 'failed' | 'colo' | 'pre-switchover' | 'device' | 'wait-unplug';

type QueryMigrateReturnRam = { readonly transferred: number; readonly remaining: number; readonly total: number; readonly duplicate: number; readonly normal: number; readonly 'normal-bytes': number; readonly 'dirty-pages-rate': number; readonly mbps: number; readonly 'dirty-sync-count': number; readonly 'postcopy-requests': number; readonly 'page-size': number; readonly 'multifd-bytes': number; readonly 'pages-per-second': number; readonly 'precopy-bytes': number; readonly 'downtime-bytes': number; readonly 'postcopy-bytes': number; readonly 'dirty-sync-missed-zero-copy': number; };

type QueryMigrateReturnVfio = { readonly transferred: number; };

type QueryMigrateReturnXbzrleCache = { readonly 'cache-size': number; readonly bytes: number; readonly pages: number; readonly 'cache-miss': number; readonly 'cache-miss-rate': number; readonly 'encoding-rate': number; readonly overflow: number; };

type QueryMigrateReturn = { readonly status?: QueryMigrateReturnStatus; readonly ram?: QueryMigrateReturnRam; readonly vfio?: QueryMigrateReturnVfio; readonly 'xbzrle-cache'?: QueryMigrateReturnXbzrleCache; readonly 'total-time'?: number; readonly 'expected-downtime'?: number; readonly downtime?: number; readonly 'setup-time'?: number; readonly 'cpu-throttle-percentage'?: number; readonly 'error-desc'?: string; readonly 'blocked-reasons'?: ReadonlyArray<string>; readonly 'postcopy-blocktime'?: number; readonly 'postcopy-vcpu-blocktime'?: ReadonlyArray<number>; readonly 'socket-address'?: ReadonlyArray<MigrateArgumentsChannelsAddrSocket>; readonly 'dirty-limit-throttle-time-per-round'?: number; readonly 'dirty-limit-ring-full-time'?: number; };

type QueryMigrateParametersReturn = { readonly 'announce-initial'?: number; readonly 'announce-max'?: number; readonly 'announce-rounds'?: number; readonly 'announce-step'?: number; readonly 'throttle-trigger-threshold'?: number; readonly 'cpu-throttle-initial'?: number; readonly 'cpu-throttle-increment'?: number; readonly 'cpu-throttle-tailslow'?: boolean; readonly 'tls-creds'?: string; readonly 'tls-hostname'?: string; readonly 'tls-authz'?: string; readonly 'max-bandwidth'?: number; readonly 'avail-switchover-bandwidth'?: number; readonly 'downtime-limit'?: number; readonly 'x-checkpoint-delay'?: number; readonly 'multifd-channels'?: number; readonly 'xbzrle-cache-size'?: number; readonly 'max-postcopy-bandwidth'?: number; readonly 'max-cpu-throttle'?: number; readonly 'multifd-compression'?: MigrateSetParametersArgumentsMultifdCompression; readonly 'multifd-zlib-level'?: number; readonly 'multifd-qatzip-level'?: number; readonly 'multifd-zstd-level'?: number; readonly 'block-bitmap-mapping'?: ReadonlyArray<MigrateSetParametersArgumentsBlockBitmapMapping>; readonly 'x-vcpu-dirty-limit-period'?: number; readonly 'vcpu-dirty-limit'?: number; readonly mode?: MigrateSetParametersArgumentsMode; readonly 'zero-page-detection'?: MigrateSetParametersArgumentsZeroPageDetection; readonly 'direct-io'?: boolean; };

type QueryNameReturn = { readonly name?: string; };

type QueryNamedBlockNodesArguments = { readonly flat?: boolean; };

type QueryQmpSchemaReturnBuiltinJsonType = 'string' | 'number' | 'int' | 'boolean' | 'null' | 'object' | 'array' | 'value';

type QueryQmpSchemaReturnBuiltin = { readonly 'json-type': QueryQmpSchemaReturnBuiltinJsonType; };

type QueryQmpSchemaReturnEnumMembers = { readonly name: string; readonly features?: ReadonlyArray<string>; };

type QueryQmpSchemaReturnEnum = { readonly members: ReadonlyArray<QueryQmpSchemaReturnEnumMembers>; readonly values: ReadonlyArray<string>; };

type QueryQmpSchemaReturnArray = { readonly 'element-type': string; };

type QueryQmpSchemaReturnObjectMembers = { readonly name: string; readonly type: string; readonly default?: unknown; readonly features?: ReadonlyArray<string>; };

type QueryQmpSchemaReturnObjectVariants = { readonly case: string; readonly type: string; };

type QueryQmpSchemaReturnObject = { readonly members: ReadonlyArray<QueryQmpSchemaReturnObjectMembers>; readonly tag?: string; readonly variants?: ReadonlyArray<QueryQmpSchemaReturnObjectVariants>; };

type QueryQmpSchemaReturnAlternateMembers = { readonly type: string; };

type QueryQmpSchemaReturnAlternate = { readonly members: ReadonlyArray<QueryQmpSchemaReturnAlternateMembers>; };

type QueryQmpSchemaReturnCommand = { readonly 'arg-type': string; readonly 'ret-type': string; readonly 'allow-oob'?: boolean; };

type QueryQmpSchemaReturnEvent = { readonly 'arg-type': string; };

type QueryQmpSchemaReturn = { readonly name: string; readonly features?: ReadonlyArray<string>; } & (({ 'meta-type': 'builtin' } & QueryQmpSchemaReturnBuiltin) | ({ 'meta-type': 'enum' } & QueryQmpSchemaReturnEnum) | ({ 'meta-type': 'array' } & QueryQmpSchemaReturnArray) | ({ 'meta-type': 'object' } & QueryQmpSchemaReturnObject) | ({ 'meta-type': 'alternate' } & QueryQmpSchemaReturnAlternate) | ({ 'meta-type': 'command' } & QueryQmpSchemaReturnCommand) | ({ 'meta-type': 'event' } & QueryQmpSchemaReturnEvent));

type QueryStatusReturnStatus = 'debug' | 'inmigrate' | 'internal-error' | 'io-error' | 'paused' | 'postmigrate' | 'prelaunch' | 'finish-migrate' | 'restore-vm' | 'running' | 'save-vm' | 'shutdown' | 'suspended' | 'watchdog' | 'guest-panicked' | 'colo';

type QueryStatusReturn = { readonly running: boolean; readonly status: QueryStatusReturnStatus; };

type QueryUuidReturn = { readonly UUID: string; };

type QueryVersionReturnQemu = { readonly major: number; readonly minor: number; readonly micro: number; };

type QueryVersionReturn = { readonly qemu: QueryVersionReturnQemu; readonly package: string; };

type AcpiDeviceOstEventInfoSlotType = 'DIMM' | 'CPU';

type AcpiDeviceOstEventInfo = { readonly device?: string; readonly slot: string; readonly 'slot-type': AcpiDeviceOstEventInfoSlotType; readonly source: number; readonly status: number; };

type AcpiDeviceOstEvent = { readonly info: AcpiDeviceOstEventInfo; };

type BalloonChangeEvent = { readonly actual: number; };

type BlockExportDeletedEvent = { readonly id: string; };

type BlockImageCorruptedEvent = { readonly device: string; readonly 'node-name'?: string; readonly msg: string; readonly offset?: number; readonly size?: number; readonly fatal: boolean; };

type BlockIoErrorEventOperation = 'read' | 'write';

type BlockIoErrorEventAction = 'ignore' | 'report' | 'stop';

type BlockIoErrorEvent = { readonly 'qom-path': string; readonly device: string; readonly 'node-name'?: string; readonly operation: BlockIoErrorEventOperation; readonly action: BlockIoErrorEventAction; readonly nospace?: boolean; readonly reason: string; };

type BlockJobCancelledEventType = 'commit' | 'stream' | 'mirror' | 'backup' | 'create' | 'amend' | 'snapshot-load' | 'snapshot-save' | 'snapshot-delete';

type BlockJobCancelledEvent = { readonly type: BlockJobCancelledEventType; readonly device: string; readonly len: number; readonly offset: number; readonly speed: number; };

type BlockJobCompletedEvent = { readonly type: BlockJobCancelledEventType; readonly device: string; readonly len: number; readonly offset: number; readonly speed: number; readonly error?: string; };

type BlockJobErrorEvent = { readonly device: string; readonly operation: BlockIoErrorEventOperation; readonly action: BlockIoErrorEventAction; };

type BlockJobPendingEvent = { readonly type: BlockJobCancelledEventType; readonly id: string; };

type BlockJobReadyEvent = { readonly type: BlockJobCancelledEventType; readonly device: string; readonly len: number; readonly offset: number; readonly speed: number; };

type BlockWriteThresholdEvent = { readonly 'node-name': string; readonly 'amount-exceeded': number; readonly 'write-threshold': number; };

type ColoExitEventMode = 'none' | 'primary' | 'secondary';

type ColoExitEventReason = 'none' | 'request' | 'error' | 'processing';

type ColoExitEvent = { readonly mode: ColoExitEventMode; readonly reason: ColoExitEventReason; };

type DeviceDeletedEvent = { readonly device?: string; readonly path: string; };

type DeviceTrayMovedEvent = { readonly device: string; readonly id: string; readonly 'tray-open': boolean; };

type DeviceUnplugGuestErrorEvent = { readonly device?: string; readonly path: string; };

type DumpCompletedEventResultStatus = 'none' | 'active' | 'completed' | 'failed';

type DumpCompletedEventResult = { readonly status: DumpCompletedEventResultStatus; readonly completed: number; readonly total: number; };

type DumpCompletedEvent = { readonly result: DumpCompletedEventResult; readonly error?: string; };

type FailoverNegotiatedEvent = { readonly 'device-id': string; };

type GuestCrashloadedEventAction = 'pause' | 'poweroff' | 'run';

type GuestCrashloadedEventInfoHyperV = { readonly arg1: number; readonly arg2: number; readonly arg3: number; readonly arg4: number; readonly arg5: number; };

type GuestCrashloadedEventInfoS390Reason = 'unknown' | 'disabled-wait' | 'extint-loop' | 'pgmint-loop' | 'opint-loop';

type GuestCrashloadedEventInfoS390 = { readonly core: number; readonly 'psw-mask': number; readonly 'psw-addr': number; readonly reason: GuestCrashloadedEventInfoS390Reason; };

type GuestCrashloadedEventInfo = ({ type: 'hyper-v' } & GuestCrashloadedEventInfoHyperV) | ({ type: 's390' } & GuestCrashloadedEventInfoS390);

type GuestCrashloadedEvent = { readonly action: GuestCrashloadedEventAction; readonly info?: GuestCrashloadedEventInfo; };

type GuestPanickedEvent = { readonly action: GuestCrashloadedEventAction; readonly info?: GuestCrashloadedEventInfo; };

type HvBalloonStatusReportEvent = { readonly committed: number; readonly available: number; };

type JobStatusChangeEventStatus = 'undefined' | 'created' | 'running' | 'paused' | 'ready' | 'standby' | 'waiting' | 'pending' | 'aborting' | 'concluded' | 'null';

type JobStatusChangeEvent = { readonly id: string; readonly status: JobStatusChangeEventStatus; };

type MemoryDeviceSizeChangeEvent = { readonly id?: string; readonly size: number; readonly 'qom-path': string; };

type MemoryFailureEventRecipient = 'hypervisor' | 'guest';

type MemoryFailureEventAction = 'ignore' | 'inject' | 'fatal' | 'reset';

type MemoryFailureEventFlags = { readonly 'action-required': boolean; readonly recursive: boolean; };

type MemoryFailureEvent = { readonly recipient: MemoryFailureEventRecipient; readonly action: MemoryFailureEventAction; readonly flags: MemoryFailureEventFlags; };

type MigrationEvent = { readonly status: QueryMigrateReturnStatus; };

type MigrationPassEvent = { readonly pass: number; };

type NetdevStreamConnectedEvent = { readonly 'netdev-id': string; readonly addr: MigrateArgumentsChannelsAddrSocket; };

type NetdevStreamDisconnectedEvent = { readonly 'netdev-id': string; };

type NetdevVhostUserConnectedEvent = { readonly 'netdev-id': string; readonly 'chardev-id': string; };

type NetdevVhostUserDisconnectedEvent = { readonly 'netdev-id': string; };

type NicRxFilterChangedEvent = { readonly name?: string; readonly path: string; };

type PrManagerStatusChangedEvent = { readonly id: string; readonly connected: boolean; };

type QuorumFailureEvent = { readonly reference: string; readonly 'sector-num': number; readonly 'sectors-count': number; };

type QuorumReportBadEventType = 'read' | 'write' | 'flush';

type QuorumReportBadEvent = { readonly type: QuorumReportBadEventType; readonly error?: string; readonly 'node-name': string; readonly 'sector-num': number; readonly 'sectors-count': number; };

type ResetEventReason = 'none' | 'host-error' | 'host-qmp-quit' | 'host-qmp-system-reset' | 'host-signal' | 'host-ui' | 'guest-shutdown' | 'guest-reset' | 'guest-panic' | 'subsystem-reset' | 'snapshot-load';

type ResetEvent = { readonly guest: boolean; readonly reason: ResetEventReason; };

type RtcChangeEvent = { readonly offset: number; readonly 'qom-path': string; };

type ShutdownEvent = { readonly guest: boolean; readonly reason: ResetEventReason; };

type SpiceConnectedEventServerFamily = 'ipv4' | 'ipv6' | 'unix' | 'vsock' | 'unknown';

type SpiceConnectedEventServer = { readonly host: string; readonly port: string; readonly family: SpiceConnectedEventServerFamily; };

type SpiceConnectedEvent = { readonly server: SpiceConnectedEventServer; readonly client: SpiceConnectedEventServer; };

type SpiceDisconnectedEvent = { readonly server: SpiceConnectedEventServer; readonly client: SpiceConnectedEventServer; };

type SpiceInitializedEventServer = { readonly host: string; readonly port: string; readonly family: SpiceConnectedEventServerFamily; readonly auth?: string; };

type SpiceInitializedEventClient = { readonly host: string; readonly port: string; readonly family: SpiceConnectedEventServerFamily; readonly 'connection-id': number; readonly 'channel-type': number; readonly 'channel-id': number; readonly tls: boolean; };

type SpiceInitializedEvent = { readonly server: SpiceInitializedEventServer; readonly client: SpiceInitializedEventClient; };

type UnplugPrimaryEvent = { readonly 'device-id': string; };

type VfioMigrationEventDeviceState = 'stop' | 'running' | 'stop-copy' | 'resuming' | 'running-p2p' | 'pre-copy' | 'pre-copy-p2p';

type VfioMigrationEvent = { readonly 'device-id': string; readonly 'qom-path': string; readonly 'device-state': VfioMigrationEventDeviceState; };

type VfuClientHangupEvent = { readonly 'vfu-id': string; readonly 'vfu-qom-path': string; readonly 'dev-id': string; readonly 'dev-qom-path': string; };

type VncConnectedEventServer = { readonly host: string; readonly service: string; readonly family: SpiceConnectedEventServerFamily; readonly websocket: boolean; readonly auth?: string; };

type VncConnectedEventClient = { readonly host: string; readonly service: string; readonly family: SpiceConnectedEventServerFamily; readonly websocket: boolean; };

type VncConnectedEvent = { readonly server: VncConnectedEventServer; readonly client: VncConnectedEventClient; };

type VncDisconnectedEventClient = { readonly host: string; readonly service: string; readonly family: SpiceConnectedEventServerFamily; readonly websocket: boolean; readonly x509_dname?: string; readonly sasl_username?: string; };

type VncDisconnectedEvent = { readonly server: VncConnectedEventServer; readonly client: VncDisconnectedEventClient; };

type VncInitializedEvent = { readonly server: VncConnectedEventServer; readonly client: VncDisconnectedEventClient; };

type VserportChangeEvent = { readonly id: string; readonly open: boolean; };

type WatchdogEventAction = 'reset' | 'shutdown' | 'poweroff' | 'pause' | 'debug' | 'none' | 'inject-nmi';

type WatchdogEvent = { readonly action: WatchdogEventAction; };

/** Arguments and return value of every command that Exuvia sends. */
export interface QmpCommands {
  'announce-self': { arguments: AnnounceSelfArguments; return: Record<string, never> };
  cont: { arguments: Record<string, never>; return: Record<string, never> };
  'human-monitor-command': { arguments: HumanMonitorCommandArguments; return: string };
  migrate: { arguments: MigrateArguments; return: Record<string, never> };
  'migrate-incoming': { arguments: MigrateIncomingArguments; return: Record<string, never> };
  'migrate-set-capabilities': { arguments: MigrateSetCapabilitiesArguments; return: Record<string, never> };
  'migrate-set-parameters': { arguments: MigrateSetParametersArguments; return: Record<string, never> };
  migrate_cancel: { arguments: Record<string, never>; return: Record<string, never> };
  qmp_capabilities: { arguments: QmpCapabilitiesArguments; return: Record<string, never> };
  'qom-get': { arguments: QomGetArguments; return: unknown };
  'qom-list-properties': { arguments: QomListPropertiesArguments; return: ReadonlyArray<QomListPropertiesReturn> };
  'query-block': { arguments: Record<string, never>; return: ReadonlyArray<QueryBlockReturn> };
  'query-chardev': { arguments: Record<string, never>; return: ReadonlyArray<QueryChardevReturn> };
  'query-kvm': { arguments: Record<string, never>; return: QueryKvmReturn };
  'query-machines': { arguments: QueryMachinesArguments; return: ReadonlyArray<QueryMachinesReturn> };
  'query-memdev': { arguments: Record<string, never>; return: ReadonlyArray<QueryMemdevReturn> };
  'query-migrate': { arguments: Record<string, never>; return: QueryMigrateReturn };
  'query-migrate-capabilities': { arguments: Record<string, never>; return: ReadonlyArray<MigrateSetCapabilitiesArgumentsCapabilities> };
  'query-migrate-parameters': { arguments: Record<string, never>; return: QueryMigrateParametersReturn };
  'query-name': { arguments: Record<string, never>; return: QueryNameReturn };
  'query-named-block-nodes': { arguments: QueryNamedBlockNodesArguments; return: ReadonlyArray<QueryBlockReturnInserted> };
  'query-qmp-schema': { arguments: Record<string, never>; return: ReadonlyArray<QueryQmpSchemaReturn> };
  'query-status': { arguments: Record<string, never>; return: QueryStatusReturn };
  'query-uuid': { arguments: Record<string, never>; return: QueryUuidReturn };
  'query-version': { arguments: Record<string, never>; return: QueryVersionReturn };
  quit: { arguments: Record<string, never>; return: Record<string, never> };
  stop: { arguments: Record<string, never>; return: Record<string, never> };
  system_powerdown: { arguments: Record<string, never>; return: Record<string, never> };
  system_reset: { arguments: Record<string, never>; return: Record<string, never> };
}

/** The data of every event. */
export interface QmpEvents {
  ACPI_DEVICE_OST: AcpiDeviceOstEvent;
  BALLOON_CHANGE: BalloonChangeEvent;
  BLOCK_EXPORT_DELETED: BlockExportDeletedEvent;
  BLOCK_IMAGE_CORRUPTED: BlockImageCorruptedEvent;
  BLOCK_IO_ERROR: BlockIoErrorEvent;
  BLOCK_JOB_CANCELLED: BlockJobCancelledEvent;
  BLOCK_JOB_COMPLETED: BlockJobCompletedEvent;
  BLOCK_JOB_ERROR: BlockJobErrorEvent;
  BLOCK_JOB_PENDING: BlockJobPendingEvent;
  BLOCK_JOB_READY: BlockJobReadyEvent;
  BLOCK_WRITE_THRESHOLD: BlockWriteThresholdEvent;
  COLO_EXIT: ColoExitEvent;
  DEVICE_DELETED: DeviceDeletedEvent;
  DEVICE_TRAY_MOVED: DeviceTrayMovedEvent;
  DEVICE_UNPLUG_GUEST_ERROR: DeviceUnplugGuestErrorEvent;
  DUMP_COMPLETED: DumpCompletedEvent;
  FAILOVER_NEGOTIATED: FailoverNegotiatedEvent;
  GUEST_CRASHLOADED: GuestCrashloadedEvent;
  GUEST_PANICKED: GuestPanickedEvent;
  GUEST_PVSHUTDOWN: Record<string, never>;
  HV_BALLOON_STATUS_REPORT: HvBalloonStatusReportEvent;
  JOB_STATUS_CHANGE: JobStatusChangeEvent;
  MEMORY_DEVICE_SIZE_CHANGE: MemoryDeviceSizeChangeEvent;
  MEMORY_FAILURE: MemoryFailureEvent;
  MIGRATION: MigrationEvent;
  MIGRATION_PASS: MigrationPassEvent;
  NETDEV_STREAM_CONNECTED: NetdevStreamConnectedEvent;
  NETDEV_STREAM_DISCONNECTED: NetdevStreamDisconnectedEvent;
  NETDEV_VHOST_USER_CONNECTED: NetdevVhostUserConnectedEvent;
  NETDEV_VHOST_USER_DISCONNECTED: NetdevVhostUserDisconnectedEvent;
  NIC_RX_FILTER_CHANGED: NicRxFilterChangedEvent;
  POWERDOWN: Record<string, never>;
  PR_MANAGER_STATUS_CHANGED: PrManagerStatusChangedEvent;
  QUORUM_FAILURE: QuorumFailureEvent;
  QUORUM_REPORT_BAD: QuorumReportBadEvent;
  RESET: ResetEvent;
  RESUME: Record<string, never>;
  RTC_CHANGE: RtcChangeEvent;
  SHUTDOWN: ShutdownEvent;
  SPICE_CONNECTED: SpiceConnectedEvent;
  SPICE_DISCONNECTED: SpiceDisconnectedEvent;
  SPICE_INITIALIZED: SpiceInitializedEvent;
  SPICE_MIGRATE_COMPLETED: Record<string, never>;
  STOP: Record<string, never>;
  SUSPEND: Record<string, never>;
  SUSPEND_DISK: Record<string, never>;
  UNPLUG_PRIMARY: UnplugPrimaryEvent;
  VFIO_MIGRATION: VfioMigrationEvent;
  VFU_CLIENT_HANGUP: VfuClientHangupEvent;
  VNC_CONNECTED: VncConnectedEvent;
  VNC_DISCONNECTED: VncDisconnectedEvent;
  VNC_INITIALIZED: VncInitializedEvent;
  VSERPORT_CHANGE: VserportChangeEvent;
  WAKEUP: Record<string, never>;
  WATCHDOG: WatchdogEvent;
}
