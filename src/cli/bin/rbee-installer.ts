import { main } from "../installer.js"

main()
