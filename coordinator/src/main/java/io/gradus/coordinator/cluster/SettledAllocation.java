package io.gradus.coordinator.cluster;

import akka.actor.ActorRef;
import akka.cluster.sharding.ShardCoordinator.AbstractShardAllocationStrategy;
import java.util.Map;
import java.util.Set;
import scala.collection.immutable.IndexedSeq;
import scala.concurrent.Future;

/// Puts a run where fewest are, and leaves it there while its node lives.
///
/// A run that moves pays with a recovery and its learner with a wait, and gains little: one node
/// carries far more runs than a cluster has. So nothing is moved for balance; runs move when their
/// node leaves.
public final class SettledAllocation extends AbstractShardAllocationStrategy {

  @Override
  public Future<ActorRef> allocateShard(
      ActorRef requester, String shard, Map<ActorRef, IndexedSeq<String>> allocated) {
    ActorRef fewest = requester;
    int shards = Integer.MAX_VALUE;
    for (var region : allocated.entrySet()) {
      int size = region.getValue().size();
      // By address where they are even, so that two coordinators decide alike.
      if (size < shards || (size == shards && region.getKey().compareTo(fewest) < 0)) {
        fewest = region.getKey();
        shards = size;
      }
    }
    return Future.successful(fewest);
  }

  @Override
  public Future<Set<String>> rebalance(
      Map<ActorRef, IndexedSeq<String>> allocated, Set<String> underWay) {
    return Future.successful(Set.of());
  }
}
