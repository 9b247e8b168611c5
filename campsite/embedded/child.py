"""manage.py for the children of script/server: whatever they fork ends with them, as they end with it."""

import os

if __name__ == "__main__":
    from campsite.embedded.processes import die_with_parent
    from manage import main

    os.register_at_fork(after_in_child=die_with_parent)
    main()
