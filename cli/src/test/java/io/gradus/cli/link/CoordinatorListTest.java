package io.gradus.cli.link;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetSocketAddress;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class CoordinatorListTest {

  private static final HostPort A = new HostPort("a", 1);
  private static final HostPort B = new HostPort("b", 1);
  private static final HostPort C = new HostPort("c", 1);

  private final CoordinatorList list = new CoordinatorList(List.of(A, B, C));

  private static InetSocketAddress address(HostPort coordinator) {
    return InetSocketAddress.createUnresolved(coordinator.host(), coordinator.port());
  }

  @Test
  void putsTheOneThatWasLostLast() {
    List.of(A, B, C)
        .forEach(coordinator -> list.resolved(coordinator, Optional.of(address(coordinator))));
    list.connected(address(B));

    list.lost();

    assertThat(list.order()).containsExactly(A, C, B);
    assertThat(list.addresses()).containsExactly(address(A), address(C), address(B));
  }

  @Test
  void tellsWhetherALookUpBringsNews() {
    assertThat(list.resolved(A, Optional.of(address(A)))).isTrue();
    assertThat(list.resolved(A, Optional.of(address(A)))).isFalse();
    assertThat(list.resolved(A, Optional.empty())).isTrue();
    assertThat(list.resolved(B, Optional.empty())).isFalse();
  }

  @Test
  void keepsTheOrderWhenNoneWasReached() {
    list.lost();
    list.connected(address(new HostPort("elsewhere", 9)));
    list.lost();

    assertThat(list.order()).containsExactly(A, B, C);
  }
}
