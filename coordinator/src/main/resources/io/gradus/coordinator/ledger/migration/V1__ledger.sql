-- The ledger. One set of statements serves SQLite and PostgreSQL: SQLite reads the type names as
-- affinities. Enumerations are written by name, so that a person can ask with a SELECT.

-- One row a run: who may write (epoch), how often anybody did (commit_seq), and the counts that
-- every commit maintains. State NEW: submitted, nothing was decided yet.
create table run (
  run_key              bigint           not null primary key,
  run_id               varchar(63)      not null unique,
  submitted_millis     bigint           not null,
  epoch                bigint           not null,
  commit_seq           bigint           not null,
  state                varchar(16)      not null,
  reason               text             not null,
  transitions          text             not null,
  groups_created       bigint           not null,
  next_lease           bigint           not null,
  next_version         bigint           not null,
  batches_bound        bigint           not null,
  warm_up_batches      bigint           not null,
  round                integer          not null,
  trajectories_sampled bigint           not null,
  tokens_sampled       bigint           not null,
  units_accepted       bigint           not null,
  tokens_trained       bigint           not null,
  sequences_trained    bigint           not null,
  next_random          bigint           not null,
  elapsed_nanos        bigint           not null
);

-- The effective spec as a serialized gradus.run.v1.RunSpec; apart, since the run row changes in
-- every commit.
create table run_spec (
  run_key bigint not null primary key,
  spec    bytea  not null
);

create table rollout_group (
  run_key        bigint       not null,
  group_id       bigint       not null,
  purpose        varchar(16)  not null,
  source         integer      not null,
  stratum        integer      not null,
  task_index     bigint       not null,
  size           integer      not null,
  state          varchar(16)  not null,
  reason         varchar(16)  not null,
  attempts       integer      not null,
  lease_id       bigint       not null,
  worker_id      varchar(128) not null,
  pinned_version bigint,
  admitted_lease bigint,
  digest         bytea,
  oldest_version bigint,
  -- One a trajectory: member:verdict:reward:tokens, with :T where the token limit cut it.
  outcomes       text,
  created_millis bigint       not null,
  decided_millis bigint       not null,
  primary key (run_key, group_id)
);

-- Recovery reads open groups alone, however old the run is.
create index rollout_group_open on rollout_group (run_key, group_id)
  where state in ('PENDING', 'LEASED', 'ACCEPTED');

create table lease (
  run_key   bigint       not null,
  group_id  bigint       not null,
  lease_id  bigint       not null,
  worker_id varchar(128) not null,
  primary key (run_key, group_id, lease_id)
);

-- A lease id is never used again.
create unique index lease_once on lease (run_key, lease_id);

-- Serialized gradus.rollout.v1.GroupPayload, never rewritten; digest is its SHA-256.
create table payload (
  run_key  bigint not null,
  group_id bigint not null,
  lease_id bigint not null,
  digest   bytea  not null,
  bytes    bytea  not null,
  primary key (run_key, group_id, lease_id)
);

create table batch (
  run_key           bigint      not null,
  number            bigint      not null,
  binding           integer     not null,
  state             varchar(16) not null,
  reason            text        not null,
  generator         varchar(64),
  generator_version integer,
  gold_source       integer,
  gold_seed         bigint,
  gold_first_index  bigint,
  gold_count        integer,
  gold_first_stratum integer,
  gold_last_stratum integer,
  digest            bytea       not null,
  completion_tokens bigint      not null,
  groups_drawn      integer     not null,
  round             integer     not null,
  index_in_round    integer     not null,
  batches_in_round  integer     not null,
  restart_from_base boolean     not null,
  publish           boolean     not null,
  durable           boolean     not null,
  failures          integer     not null,
  applied_by        bigint,
  steps             integer     not null,
  skipped_steps     integer     not null,
  failed_by         bigint,
  primary key (run_key, number, binding)
);

create index batch_open on batch (run_key, number) where state in ('BOUND', 'APPLIED');

-- Void batches are rare; recovery looks which of their numbers are to be bound anew.
create index batch_void on batch (run_key, number) where state = 'VOID';

create table batch_use (
  run_key     bigint           not null,
  number      bigint           not null,
  binding     integer          not null,
  ordinal     integer          not null,
  group_id    bigint           not null,
  lease_id    bigint           not null,
  member      integer          not null,
  probability double precision not null,
  pass_rate   double precision not null,
  staleness   integer          not null,
  tokens      integer          not null,
  primary key (run_key, number, binding, ordinal)
);

-- "Which step trained on this group?"
create index batch_use_group on batch_use (run_key, group_id);

create table policy_version (
  run_key       bigint      not null,
  version       bigint      not null,
  step          bigint      not null,
  batch         bigint,
  uri           text        not null,
  -- One line a file: bytes, SHA-256, name.
  files         text        not null,
  lineage       varchar(64) not null,
  durable       boolean     not null,
  parent        bigint      not null,
  learner_epoch bigint      not null,
  batches_bound bigint      not null,
  -- Last batch that the lineage shares with the live one.
  ancestor      bigint      not null,
  base          boolean     not null,
  deleted       boolean     not null,
  primary key (run_key, version)
);

create table stratum (
  run_key    bigint           not null,
  source     integer          not null,
  stratum    integer          not null,
  right_count double precision not null,
  wrong_count double precision not null,
  -- The next task number, by purpose.
  next_index text             not null,
  round_groups integer        not null,
  -- Tasks that nobody solved, kept for rationalization.
  failed     text             not null,
  primary key (run_key, source, stratum)
);

create table evaluation (
  run_key       bigint  not null,
  version       bigint  not null,
  confirmation  boolean not null,
  set_number    integer not null,
  batch         bigint  not null,
  finished      boolean not null,
  handled       integer not null,
  elapsed_nanos bigint  not null,
  abandoned     boolean not null,
  -- One a stratum: source:stratum:right:answered.
  results       text    not null,
  primary key (run_key, version, confirmation, set_number)
);

create table learner_session (
  run_key    bigint       not null,
  epoch      bigint       not null,
  learner_id varchar(128) not null,
  primary key (run_key, epoch)
);
