package io.gradus.coordinator.run;

import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.pool.PoolShare;
import io.gradus.core.run.Decider;
import io.gradus.core.run.RunPlan;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;

/// What the entities of a node share.
///
/// @param plans what a serialized effective spec asks of the decider
/// @param shares the share of a pool that a serialized effective spec asks for
/// @param nanoTime monotonic time
/// @param blocking runs what may block, bounded
/// @param pools tells the pool of a name what a run wants of it
/// @param onFenced hears of a run that another node has taken over: this node must not go on
/// @param mustLeave whether this node has to leave: it takes over no run any more
public record RunSurroundings(
    Ledger ledger,
    Decider.Factory deciders,
    Function<byte[], RunPlan> plans,
    Function<byte[], PoolShare> shares,
    CheckpointStore checkpoints,
    PayloadStaging staging,
    LongSupplier nanoTime,
    Executor blocking,
    RunConfig config,
    BiConsumer<String, PoolCommand.FromNode> pools,
    Consumer<String> onFenced,
    BooleanSupplier mustLeave) {}
